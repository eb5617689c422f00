"""What axe finds that keeps people from using a page."""

from __future__ import annotations

import orjson
from browser.stage import Person


async def findings(person: Person, axe: str) -> list[str]:
    """Return what is serious or worse. axe comes by the debugger, for the page lets no script in."""
    session = await person.page.context.new_cdp_session(person.page)
    await session.send("Runtime.evaluate", {"expression": axe})
    said = await session.send(
        "Runtime.evaluate",
        {"expression": "axe.run().then(found => JSON.stringify(found.violations))", "awaitPromise": True},
    )
    violations = orjson.loads(said["result"]["value"])
    return [
        f"{each['id']}: {node['html']}"
        for each in violations
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
