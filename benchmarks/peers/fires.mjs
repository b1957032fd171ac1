// Fires a second of graphile-worker and pg-boss, for benchmarks/shared_fires.py, which says what is done when.
//   node fires.mjs fill|work graphile|pgboss FOLDER URL COUNT      FOLDER has their node_modules
// `work` says "ready", begins at a line on its input, and goes on until it is killed.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const [verb, library, folder, connectionString, count] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const jobs = Number(count);

async function graphile() {
  const { makeWorkerUtils, run, Logger } = await load("graphile-worker");
  if (verb === "fill") {
    const utils = await makeWorkerUtils({ connectionString });
    await utils.migrate();
    await utils.withPgClient((client) =>
      client.query(
        `select graphile_worker.add_jobs(array(select json_populate_record(
          null::graphile_worker.job_spec, '{"identifier": "nothing"}') from generate_series(1, $1::int)))`, [jobs]));
    await utils.release();
    return;
  }
  await ready();
  // what its page "Performance" says of very fast tasks
  await run({
    preset: {
      worker: {
        connectionString, concurrentJobs: 24, maxPoolSize: 25, localQueue: { size: 500 },
        completeJobBatchDelay: 0, failJobBatchDelay: 0,
      },
    },
    taskList: { nothing: () => {} },
    logger: new Logger(() => () => {}),
  });
}

async function pgboss() {
  const { PgBoss } = await load("pg-boss");
  const boss = new PgBoss(connectionString);
  boss.on("error", (error) => console.error(error));
  await boss.start();
  if (verb === "fill") {
    await boss.createQueue("nothing");
    for (let done = 0; done < jobs; done += 5000) {
      await boss.insert("nothing", Array.from({ length: Math.min(5000, jobs - done) }, () => ({})));
    }
    await boss.stop({ graceful: false });
    process.exit(0);
  }
  await ready();
  await boss.work(
    "nothing", { batchSize: 1000, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true }, async () => {});
}

function ready() {
  console.log("ready");
  return new Promise((resolve) => process.stdin.once("data", resolve));
}

await { graphile, pgboss }[library]();
