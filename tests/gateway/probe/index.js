// Tells the tests what the gateway really runs with; no version says so over its own RPC.

function register(api) {
  api.registerGatewayMethod?.(
    "probe.running",
    ({ context, respond }) => {
      // The gateway's own methods read the first; 2026.3.13 and before do not have it.
      const running = context?.getRuntimeConfig?.() ?? api.runtime.config.loadConfig();
      respond(true, { agents: running.agents ?? {} });
    },
    { scope: "operator.read" },
  );
}

export default { id: "probe", name: "Probe of the tests", description: "For the tests.", register };
