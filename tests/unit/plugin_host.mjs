// Loads index.js as a gateway does, as far as these tests need it. Arguments: index.js, the plugin's config as JSON, and
// what to do. Prints one line a log line; ends when the service has stopped.
const [file, config, task] = process.argv.slice(2);
const { default: plugin } = await import(file);
const services = {};
const methods = {};
let command;
const log = Object.fromEntries(
  ["debug", "info", "warn", "error"].map((level) => [level, (text) => console.log(`${level} ${text}`)]),
);
const entry = { enabled: true, config: JSON.parse(config) };
const running = { agents: {}, plugins: { entries: { [plugin.id]: entry } } };
const step = () => ({ argument: step, description: step, allowUnknownOption: step, helpOption: step, action: keep });
const keep = (action) => (command = action);
plugin.register({
  logger: log,
  runtime: { version: "2026.9.6", config: { current: () => running } },
  registerService: (service) => (services[service.id] = service),
  registerGatewayMethod: (name, method) => (methods[name] = method),
  registerCli: (build) => build({ program: { command: step }, config: running }),
});
const service = services["agent-config-sync"];
const context = { stateDir: "/gateway", logger: log, config: running };
if (task === "status") {
  await methods["agent-config-sync.status"]({ respond: (ok, _, error) => console.log(ok, error?.message) });
} else if (task === "command") {
  await command(["status"]);
} else {
  service.start(context);
  if (task === "twice") service.start(context);
  process.stdin.once("data", async () => {
    await service.stop();
    process.exit();
  });
}
