"""From a checked spec to a plan: flat steps, in order, each with what decides it."""
