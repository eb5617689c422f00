// The gateway's door to agent-config-sync: starts the Python process, tells it who the gateway is, passes its log
// lines on and answers its questions. Everything else happens in Python.
//
// register() runs many times, in CLI processes too, so it has no side effects: a process is started in service.start
// and by a person's command only. The end of the child's standard input means stop, so that no way of ending the
// gateway leaves an orphan.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";

const ID = "agent_config_sync";
const NAME = "agent-config-sync";
const OLDEST_PROGRAM = "0.1.0"; // the first that speaks with this file
const ENTRIES_SINCE = "2026.8.1"; // the first version that reloads whatever changes below agents
const WITHOUT_RUNTIME = new Set(["cli-metadata", "setup-only", "setup-runtime"]); // touching api.runtime throws there
const FIRST_PAUSE = 1_000; // ms before the first restart of a child that died; doubled up to:
const LONGEST_PAUSE = 60_000; // and forgotten once a child has lived that long
const PATIENCE = { term: 2_000, kill: 3_500 }; // ms; the gateway gives a stopping service 5 s
const LAST_LINES = 500; // ms for the lines of a child that has ended
const LONGEST_LINE = 1 << 20; // characters that a child's line may have
const STATUS_DEADLINE = 20_000; // ms for one answer of the gateway method
const HINT = `set plugins.entries.${ID}.config.command`;

// A path as the gateway takes it from its environment (OpenClaw docs, help/environment, Paths and instances).
const named = (name, folder) => {
  const path = process.env[name]?.trim();
  return path && path !== "undefined" && path !== "null" ? path.replace(/^~(?=$|\/)/, folder) : null;
};

const home = () => named("OPENCLAW_HOME", homedir()) ?? homedir();

// Who the gateway is, as one line of JSON. The plugin's config of `config` is newer than api.pluginConfig where a
// restart inside the process did not register plugins anew.
function greeting(api, config, stateDir, version) {
  const entry = config.plugins?.entries?.[ID];
  const token = config.gateway?.auth?.token;
  return {
    config: entry?.config ?? api.pluginConfig ?? {},
    agentChat: config.channels?.agent_chat ?? null,
    version,
    script: process.argv[1] ?? null,
    pid: process.pid,
    configPath: named("OPENCLAW_CONFIG_PATH", home()) ?? join(stateDir, "openclaw.json"),
    stateDir,
    token: typeof token === "string" ? token : null,
    door: api.version ?? null,
  };
}

const commandOf = (hello) => [hello.config.command ?? NAME].flat();
const line = (message) => JSON.stringify(message) + "\n";
const unstartable = (program, error) => `${program} cannot be started (${error.code ?? error.message}): ${HINT}`;

const isOlder = (version, other) => {
  const [one, two] = [version, other].map((text) => String(text).split(".").map((part) => parseInt(part, 10) || 0));
  const place = two.findIndex((number, index) => number !== (one[index] ?? 0));
  return place >= 0 && (one[place] ?? 0) < two[place];
};

// Run one command of the program with the gateway's settings; resolves to its exit status and what it printed.
function ask(hello, words, stdio, deadline) {
  const [program, ...args] = commandOf(hello);
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, "--greeted", ...words], { stdio: ["pipe", ...stdio], timeout: deadline });
    const printed = { stdout: "", stderr: "" };
    for (const name of Object.keys(printed)) {
      child[name]?.setEncoding("utf8").on("data", (text) => (printed[name] += text));
    }
    child.on("error", (error) => reject(new Error(unstartable(program, error))));
    child.on("close", (status, signal) => resolve({ status: status ?? signal, ...printed }));
    child.stdin.on("error", () => {}); // it has ended; "close" tells the rest
    child.stdin.end(line(hello));
  });
}

// `openclaw agent-config-sync COMMAND`: the program itself, with the settings of this gateway's plugin.
function registerCommands(api) {
  const description = "PostgreSQL as the control plane of the agents: status, doctor, diff, wait, ...";
  api.registerCli?.(
    ({ program, config }) => {
      program
        .command(NAME)
        .description(description)
        .argument("[words...]", "a command of agent-config-sync with its options", ["--help"])
        .allowUnknownOption()
        .helpOption(false)
        .action(async (words) => {
          const stateDir = named("OPENCLAW_STATE_DIR", home()) ?? join(home(), ".openclaw");
          const hello = greeting(api, config ?? api.config ?? {}, stateDir, null);
          hello.pid = hello.token = null; // of the gateway, which this process is not
          try {
            const { status } = await ask(hello, words, ["inherit", "inherit"]);
            process.exitCode = typeof status === "number" ? status : 1; // else the signal that ended it
          } catch (error) {
            console.error(`${NAME}: ${error.message}`);
            process.exitCode = 1;
          }
        });
    },
    { commands: [NAME], descriptors: [{ name: NAME, description, hasSubcommands: true }] },
  );
}

// What tells one key of a skill from another: its hash, or where it is read from. The key itself stays in the gateway.
function digests(config) {
  const entries = Object.entries(config?.skills?.entries ?? {});
  const digest = (value) => {
    if (typeof value === "string") return createHash("sha256").update(value).digest("hex");
    return typeof value?.id === "string" ? `ref:${value.id}` : undefined;
  };
  return Object.fromEntries(
    entries.map(([name, entry]) => {
      const members = { ...entry?.env, ...(entry?.apiKey === undefined ? {} : { apiKey: entry.apiKey }) };
      return [name, Object.fromEntries(Object.entries(members).map(([member, value]) => [member, digest(value)]))];
    }),
  );
}

function register(api) {
  registerCommands(api);
  if (WITHOUT_RUNTIME.has(api.registrationMode)) return;
  let child = null;
  let log = api.logger;
  let stopping = true;
  let again;
  let pause = FIRST_PAUSE;
  let context = null;
  let last = {};

  // Before 2026.5 plugins have loadConfig only: what the gateway runs with, or (2026.2.9) reads anew for every turn; it
  // may raise over a broken file, and what is raised in a timer ends the gateway.
  const running = () => {
    try {
      return api.runtime?.config?.current?.() ?? api.runtime?.config?.loadConfig?.();
    } catch {}
  };
  const tell = (level, text) => (log[level] ?? log.info).call(log, `[${NAME}] ${text}`);
  // An empty configuration is one that could not be read (2026.2.9); the last good one still names the database.
  const hello = (config = running()) => {
    if (config && Object.keys(config).length > 0) last = config;
    return greeting(api, last, context.stateDir, api.runtime?.version ?? null);
  };

  const send = (message) => {
    if (child?.stdin?.writable) child.stdin.write(line(message));
  };

  const told = () => {
    const config = running();
    return { agents: config?.agents, keys: digests(config) };
  };

  const answer = ({ id }) => {
    const what = told();
    send(what.agents ? { id, ...what } : { id, error: "this version of the gateway does not tell plugins what it runs with" });
  };

  const hear = (mine, text) => {
    let message;
    try {
      message = JSON.parse(text);
    } catch {}
    if (typeof message !== "object" || message === null) return tell("warn", text.slice(0, 500));
    if (message.hello) {
      mine.version = message.hello.version;
      if (isOlder(mine.version, OLDEST_PROGRAM)) mine.stdin.end();
      return;
    }
    if (message.ask === "agents") return answer(message);
    const { level = "info", message: said = "" } = message.log ?? {};
    tell({ debug: "debug", warning: "warn", error: "error" }[level] ?? "info", said);
  };

  // readline also splits at U+2028 and U+2029, which may stand inside a JSON text.
  const lines = (stream, take) => {
    let rest = "";
    let tooLong = false;
    const end = () => {
      const text = rest;
      rest = "";
      if (tooLong) return (tooLong = false);
      try {
        take(text);
      } catch (error) {
        tell("warn", `a line was not understood (${error.message})`);
      }
    };
    stream.setEncoding("utf8");
    stream.on("data", (chunk) => {
      chunk.split("\n").forEach((part, place) => {
        if (place > 0) end();
        if (tooLong) return;
        rest += part;
        if (rest.length <= LONGEST_LINE) return;
        tooLong = true;
        rest = "";
        tell("warn", `a line of more than ${LONGEST_LINE} characters was left out`);
      });
    });
    stream.on("error", () => {});
  };

  const later = (reason) => {
    if (stopping) return;
    tell("error", `${reason}; again in ${pause / 1000} s`);
    again = setTimeout(() => launch(hello()), pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  };

  const ending = (program, mine) => {
    const how = mine.signalCode ?? `status ${mine.exitCode}`;
    if (mine.version === undefined)
      return `${program} ended (${how}) and did not speak as ${NAME} ${OLDEST_PROGRAM} or later does: install it anew, or ${HINT}`;
    if (isOlder(mine.version, OLDEST_PROGRAM))
      return `${program} is ${NAME} ${mine.version} and this plugin needs ${OLDEST_PROGRAM} or later: install it anew`;
    return `the process ended (${how})`;
  };

  const launch = (greeted) => {
    const begun = Date.now();
    const [program, ...args] = commandOf(greeted);
    let mine;
    try {
      mine = spawn(program, [...args, "run", "--door"], { stdio: ["pipe", "pipe", "pipe"] });
      mine.ended = new Promise((resolve) => {
        const end = () => resolve(ending(program, mine));
        mine.once("close", end); // its last lines have been read
        mine.once("exit", () => setTimeout(end, LAST_LINES)); // or somebody else holds its pipes
        mine.once("error", (error) => resolve(unstartable(program, error)));
      });
      mine.stdin.on("error", () => {}); // the child is gone; "close" tells the rest
      lines(mine.stdout, (text) => hear(mine, text));
      lines(mine.stderr, (text) => tell("warn", text.slice(0, 500)));
      child = mine;
      send(greeted);
    } catch (error) {
      return later(unstartable(program, error));
    }
    mine.ended.then((reason) => {
      if (child !== mine) return;
      child = null;
      if (Date.now() - begun > LONGEST_PAUSE) pause = FIRST_PAUSE;
      later(reason);
    });
  };

  api.registerService({
    id: NAME,
    start(ctx) {
      stopping = false;
      pause = FIRST_PAUSE;
      context = ctx;
      log = ctx.logger ?? api.logger;
      clearTimeout(again); // of a start that no stop has followed
      child?.stdin.end();
      launch(hello(ctx.config)); // what runs is still the configuration of before
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

  // 2026.5.12 does not take all changes below agents into what runs, unless somebody declares that they are to be taken.
  const version = String(api.runtime?.version ?? "");
  if (/^\d/.test(version) && isOlder(version, ENTRIES_SINCE)) api.registerReload?.({ hotPrefixes: ["agents", "skills"] });

  // Newer gateways start this service anew after every change below `agents`: the sign that something is in force. It
  // says at once what, because the gateway is busy then and a question would wait.
  api.registerService({
    id: `${NAME}-applied`,
    reload: { configPrefixes: ["agents", "skills"] },
    start: () => send({ changed: true, ...told() }),
    stop() {},
  });

  // The same content as `agent-config-sync status --json`, for whoever speaks with the gateway.
  api.registerGatewayMethod?.(
    `${NAME}.status`,
    async ({ respond }) => {
      if (!context) return respond(false, undefined, { code: "UNAVAILABLE", message: `${NAME} has not started yet` });
      try {
        const said = await ask(hello(), ["status", "--json"], ["pipe", "pipe"], STATUS_DEADLINE);
        if (said.status === 0 || said.status === 3) return respond(true, { gateways: JSON.parse(said.stdout) });
        respond(false, undefined, { code: "UNAVAILABLE", message: said.stderr.trim() || `status ended (${said.status})` });
      } catch (error) {
        respond(false, undefined, { code: "UNAVAILABLE", message: error.message });
      }
    },
    { scope: "operator.read" },
  );
}

export default {
  id: ID,
  name: "Agent config sync",
  description: "PostgreSQL as the control plane of the agents.",
  register,
};
