"""The zones of dateutil in old pickles: of the release that is installed, and of 2.9, which most old rows are from."""

from __future__ import annotations

import base64
import io
import pickle
import zlib
from datetime import datetime, timedelta

import dateutil.tz
import pytest
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from tests.unit._serialization.test_legacy import BERLIN, RUN_TIME, plain

from rapscheduler._serialization.codec import decode
from rapscheduler._serialization.legacy import _Unpickler, load_state, row_from_pickle
from rapscheduler._serialization.zones import zone_to_text
from rapscheduler.errors import DecodeError

# (zone, protocol) -> what dateutil 2.9.0 pickles; the file is Etc/GMT-3
OLD = {
    ("dateutil:Etc/GMT-3", 0): (
        "c-"
        "mc2%WA_g5WMe~7)oP3;>7uYQgUbxrT8jjSx!_OOGs;I^YvZ1Hc1OcNVB^$J7d#nv=h2vgE#sBZ@n8V1O~;aDW??6bk"
        "Wh4H$Pf8_P%^UQ@*}^JWB{1FbH@L5{fQtp;38s)K?m>;LIU43ZovA8eBpMJ1FoEq$V^F_K&dZz97^Kf?04GK0q-"
        "9&cGNSzE!kmpu_kvVVn&5NZW8I%s)2^2NeYvrP|321Skc*{j`Q?xr7r2z9kpD$~O288sGQH=HecXoYjnxlg<vP394b"
        "%Ku0d~vEsDfk*)1?qhuJ7ikyN=UA7=ZE~G}cEv+jgG*66D6x+EaVMq6hTG;$PU-"
        "QUrc@x39mDp3Zi`*(zXQ>0ER^M}*2_>WE3hwB<iR5s)L#^$7q<<#GBig$-x5{6FcJl)P8LwF"
    ),
    ("dateutil:Etc/GMT-3", 4): (
        "c-l>mO-sZu5QZcBq4i^X^61@F+%D{I5D#VdAYP@U+r$LAEhJNrf}j^gnA?v3*Gbz&lR)x5%)ImFef(pOM7MBONKg&f"
        "ase$L!YQ=cmWuYY!K<Y4F7ZY>m9%xGY^Ceu9=6HD`sr>(pY%v?bd6CKIx4wSWJY+Ffs>WbO6!5<82^)516xL?1G2>{"
        "tMd#X821g&WCR`$h(pXjx)IY_Yp;OT%Nv{&ssu@R5~73UsThT;$9qZzSEb^M)8WMWf?ZRAW0~iUaCEy|b=X5e-"
        "{JAH1AatYHq0=WsR%n5G`S2P>H~%r6aVSpyusN)=1SL2F}XMpZ5@}GxXBm4yCRL%"
    ),
    ("dateutil:+3600 X", 0): (
        "c-"
        "l>k!3u*g5Jd0uC7vXSt!+QStB2q%q%n$MlO<UX_3OJ73WenzW`?&RWO}<2R|rB*mCF%07mz{|X3z29ZEyLM1D|<WYG"
        "jbcx8v;<CEe1JK?bWq!y|QIx?rR$nwff7m%PmA20MZ7sMh^7kAIC|jyrp?%kM#9=z1koqSIP@+Mqt$4>eObdj"
    ),
    ("dateutil:+3600 X", 4): (
        "c-m`VnVQG|0X=*vi6yC}C7C&TB~?H)rH7-"
        "WDnBi)IJIQT<SCksQ);JZ^svU~CFZ71>0ykR(!(APmF?jG=`6_vNpOOwl+>J(M4%>b244X_Z-(|MK~qYT^Z*(oC#V"
    ),
    ("dateutil:-3600", 0): (
        "c-"
        "l>jI|{=v5JdYqiJBP6`6)+m<HChop~$ikIMyPqi}>_e0)fErikabskm>D8Tp$Q}t6cWLxqviOm^{aw)7tPM0UvpuYh"
        ";kYcjNSm(xz?BpcYFD#RHwebiqJZsEKYE-R9*+cl331KZE@@2&TBQ2R)#=lR;-&t2H_;Dx<|^4C=G_0Bc7#n*"
    ),
    ("dateutil:-3600", 4): (
        "c-m`VnVQT10X=*vi6yC}C7C&TB~?H)rH7-"
        "WDnBi)IJIQT<SCksQ);JZ^svU~CFZ71@#|rahf4KufV7ol0!4c`K~zd=PDvtAhu41~@G5X-"
        "WbkHapAs~sG)WHtn?WlL"
    ),
    ("dateutil:UTC", 0): (
        "c-kF_K?;B%6b1M1B(9>YF5(3uekMZc$DWHkeG&|_m=VePZp8<5Nlp(-73KmRVdU89E8{h=b--"
        "3B&<X!wynRnGof&EoEDW8_pe}H_V)y_SN*^Z"
    ),
    ("dateutil:UTC", 4): "c-m`VnJUi!0X=*vi6yC}C7C&TB~?H)rH8eos<b3|%H%1UjZ^dh_bm<W",
}


HOURS = {"dateutil:Etc/GMT-3": 3, "dateutil:+3600 X": 1, "dateutil:-3600": -1, "dateutil:UTC": 0}


def zone_in(data):
    """The zone that is all of a pickle."""
    return _Unpickler(io.BytesIO(data), encoding="latin-1").load()


def reducing(kind, *args):
    """The pickle of a job state with `kind(*args)` inside."""

    class Reduced:
        def __reduce__(self):
            return kind, args

    return pickle.dumps({"id": "j", "func": "builtins:print", "args": (Reduced(),)})


@pytest.mark.parametrize(("text", "protocol"), OLD)
def test_zones_pickled_by_dateutil_2(text, protocol):
    zone = zone_in(zlib.decompress(base64.b85decode(OLD[text, protocol])))
    assert zone_to_text(zone) == text
    assert datetime(2026, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=HOURS[text])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "zone",
    [
        dateutil.tz.gettz("Europe/Berlin"),
        dateutil.tz.tzutc(),
        dateutil.tz.tzoffset("X", 3600),
        dateutil.tz.tzoffset(None, -3600),
    ],
    ids=str,
)
def test_a_trigger_in_a_zone_of_the_installed_dateutil(zone, protocol):
    run_time = datetime(2026, 7, 1, 3, tzinfo=zone)
    trigger = CronTrigger(hour=3, timezone=zone)
    row = row_from_pickle(plain(protocol=protocol, trigger=trigger, next_run_time=run_time, args=(run_time,)))
    state = decode(row.data)
    assert zone_to_text(state["trigger"].timezone) == zone_to_text(zone)
    assert state["args"] == (run_time,) and type(state["args"][0].tzinfo) is type(zone)
    assert row.run_at_us == round(run_time.timestamp() * 1_000_000)


@pytest.mark.parametrize("protocol", range(6))
def test_the_zone_of_whatever_machine_is_refused_with_the_cure(protocol):
    trigger = DateTrigger(RUN_TIME.replace(tzinfo=dateutil.tz.tzlocal()))
    with pytest.raises(DecodeError, match=r"tzlocal\(\).*named zone in APScheduler"):
        row_from_pickle(plain(protocol=protocol, trigger=trigger))


def test_state_in_a_pickle_changes_no_zone_of_the_process():
    shared = {"Europe/Berlin": dateutil.tz.gettz("Europe/Berlin"), "UTC": dateutil.tz.tzutc()}
    before = {name: dict(vars(zone)) for name, zone in shared.items()}
    hostile = zlib.decompress(base64.b85decode(OLD["dateutil:Etc/GMT-3", 0]))
    for name in shared:
        zone = zone_in(hostile.replace(b"Etc/GMT-3", name.encode()))
        assert zone_to_text(zone) == f"dateutil:{name}"
        assert zone.utcoffset(datetime(2026, 7, 1)) != timedelta(hours=3)
    assert {name: dict(vars(zone)) for name, zone in shared.items()} == before


@pytest.mark.parametrize(
    "data",
    [
        reducing(dateutil.tz.tz.tzfile, None, "/etc/passwd"),
        reducing(dateutil.tz.tz.tzfile, None, "../../etc/passwd"),
        reducing(dateutil.tz.tz.tzfile, None, 5),
        reducing(dateutil.tz.tz.tzfile),
        reducing(dateutil.tz.tz.tzoffset, "X", "3600"),
        reducing(dateutil.tz.tz.tzoffset, 5, 3600),
        reducing(dateutil.tz.tz.tzoffset, "X", 10**30),
        reducing(dateutil.tz.tz.tzutc, 5),
    ],
)
def test_anything_unusual_gets_the_one_error(data):
    with pytest.raises(DecodeError):
        load_state(data)


def test_the_zone_of_the_run_time_is_kept_where_the_trigger_does_not_tell_it():
    trigger = OrTrigger([CronTrigger(hour=2, timezone=BERLIN), CronTrigger(hour=3, timezone="UTC")])
    assert decode(row_from_pickle(plain(trigger=trigger)).data)["run_zone"] is BERLIN
    assert "run_zone" not in decode(row_from_pickle(plain(trigger=trigger.triggers[0])).data)
