// The gateway's door to agent-config-sync: starts the Python process, tells it who the gateway is, passes its log
// lines on and answers its questions. Everything else happens in Python.
//
// register() runs many times, in CLI processes too, so it has no side effects: a process is started in service.start
// only. The end of the child's standard input means stop, so that no way of ending the gateway leaves an orphan.

import { spawn } from "node:child_process";
import { join } from "node:path";

const WITHOUT_RUNTIME = new Set(["cli-metadata", "setup-only", "setup-runtime"]);
const FIRST_PAUSE = 1_000; // ms before the first restart of a child that died; doubled up to:
const LONGEST_PAUSE = 60_000; // and forgotten once a child has lived that long
const PATIENCE = { term: 2_000, kill: 3_500 }; // ms; the gateway gives a stopping service 5 s

function register(api) {
  if (WITHOUT_RUNTIME.has(api.registrationMode)) return;
  let child = null;
  let log = api.logger;
  let stopping = true;
  let again;
  let pause = FIRST_PAUSE;

  // Before 2026.5 plugins have loadConfig only: what the gateway runs with, or (2026.2.9) reads anew for every turn.
  const running = () => api.runtime?.config?.current?.() ?? api.runtime?.config?.loadConfig?.();

  const send = (message) => {
    if (child?.stdin?.writable) child.stdin.write(JSON.stringify(message) + "\n");
  };

  const greeting = (ctx) => {
    const config = running() ?? ctx.config ?? {};
    const token = config.gateway?.auth?.token;
    return {
      config: api.pluginConfig ?? {},
      agentChat: config.channels?.agent_chat ?? null,
      version: api.runtime?.version ?? null,
      script: process.argv[1] ?? null,
      pid: process.pid,
      configPath: process.env.OPENCLAW_CONFIG_PATH || join(ctx.stateDir, "openclaw.json"),
      stateDir: ctx.stateDir,
      token: typeof token === "string" ? token : null,
    };
  };

  const answer = ({ id }) => {
    const agents = running()?.agents;
    send(agents ? { id, agents } : { id, error: "this version of the gateway does not tell plugins what it runs with" });
  };

  const hear = (line) => {
    let message;
    try {
      message = JSON.parse(line);
    } catch {}
    if (typeof message !== "object" || message === null) return log.warn(`[agent-config-sync] ${line.slice(0, 500)}`);
    if (message.ask === "agents") return answer(message);
    const { level = "info", message: text = "" } = message.log ?? {};
    const method = { debug: "debug", warning: "warn", error: "error" }[level] ?? "info";
    (log[method] ?? log.info).call(log, `[agent-config-sync] ${text}`);
  };

  // readline also splits at U+2028 and U+2029, which may stand inside a JSON text.
  const lines = (stream, take) => {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop();
      for (const line of parts) {
        try {
          take(line);
        } catch (error) {
          log.warn(`[agent-config-sync] a line was not understood (${error.message})`);
        }
      }
    });
    stream.on("error", () => {});
  };

  const later = (ctx, reason) => {
    if (stopping) return;
    log.error(`[agent-config-sync] ${reason}; again in ${pause / 1000} s`);
    again = setTimeout(launch, pause, ctx);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  };

  const launch = (ctx) => {
    const [program, ...args] = [api.pluginConfig?.command ?? "agent-config-sync"].flat();
    const hint = "set plugins.entries.agent_config_sync.config.command";
    const begun = Date.now();
    let mine;
    try {
      const hello = greeting(ctx);
      mine = spawn(program, [...args, "run", "--door"], { stdio: ["pipe", "pipe", "pipe"] });
      mine.ended = new Promise((resolve) => {
        mine.once("exit", () => resolve(null));
        mine.once("error", (error) => resolve(`${program} cannot be started (${error.code}): ${hint}`));
      });
      mine.stdin.on("error", () => {}); // the child is gone; "exit" tells the rest
      lines(mine.stdout, hear);
      lines(mine.stderr, (line) => log.warn(`[agent-config-sync] ${line.slice(0, 500)}`));
      child = mine;
      send(hello);
    } catch (error) {
      return later(ctx, `${program} cannot be started (${error.message}): ${hint}`);
    }
    mine.ended.then((reason) => {
      if (child !== mine) return;
      child = null;
      if (Date.now() - begun > LONGEST_PAUSE) pause = FIRST_PAUSE;
      later(ctx, reason ?? `the process ended (${mine.signalCode ?? `status ${mine.exitCode}`})`);
    });
  };

  api.registerService({
    id: "agent-config-sync",
    start(ctx) {
      stopping = false;
      pause = FIRST_PAUSE;
      log = ctx.logger ?? api.logger;
      launch(ctx);
    },
    async stop() {
      stopping = true;
      clearTimeout(again);
      const mine = child;
      if (!mine) return;
      mine.stdin.end();
      const timers = [
        setTimeout(() => mine.kill("SIGTERM"), PATIENCE.term),
        setTimeout(() => mine.kill("SIGKILL"), PATIENCE.kill),
      ];
      await mine.ended;
      timers.forEach(clearTimeout);
    },
  });

  // Newer gateways start this service anew after every change below `agents`: the sign that something is in force.
  api.registerService({
    id: "agent-config-sync-applied",
    reload: { configPrefixes: ["agents"] },
    start: () => send({ changed: true }),
    stop() {},
  });
}

export default {
  id: "agent_config_sync",
  name: "Agent config sync",
  description: "PostgreSQL as the control plane of the agents.",
  register,
};
