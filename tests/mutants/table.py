"""Each invariant of the pipeline, taken out: one change of the source, and the test that must fail for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """Replace `old`, which stands exactly once in `file`, by `new`, and `test` fails."""

    what: str
    test: str
    file: str
    old: str
    new: str


INVARIANTS = "tests/integration/test_invariants.py::test_"

MUTANTS = (
    Mutant(
        "1 LISTEN first: what comes in the first two seconds is not heard",
        "01_a_change_between_listen_and_snapshot_is_not_lost",
        "agent_config_sync/postgres/link.py",
        "        await link.listen(on_change)\n",
        "        clock = asyncio.get_running_loop().time\n        begun = clock()\n"
        "        await link.listen(lambda payload: on_change(payload) if clock() > begun + 2 else None)\n",
    ),
    Mutant(
        "2 one worker: no settle between two passes",
        "02_a_thousand_commits_within_one_settle_window_cause_at_most_two_publishes",
        "agent_config_sync/sync/loop.py",
        "await self._session.pause(self._settings.settle, for_notification=False)",
        "await asyncio.sleep(0)",
    ),
    Mutant(
        "2 one worker: the dirty mark is cleared after the snapshot",
        "02_a_change_during_the_snapshot_is_published_by_the_next_pass",
        "agent_config_sync/sync/passes.py",
        "            snapshot = await reader.read(DEFAULTS)\n",
        "            snapshot = await reader.read(DEFAULTS)\n            self._wake.clear()\n",
    ),
    Mutant(
        "3 one instant: each statement sees its own",
        "03_a_snapshot_is_one_instant_of_all_tables",
        "agent_config_sync/postgres/snapshot.py",
        '"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"',
        '"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"',
    ),
    Mutant(
        "3 one instant: every row is fetched again",
        "03_only_rows_that_changed_are_fetched",
        "agent_config_sync/postgres/row_memory.py",
        "return versions, [version for version in versions if version not in self._rows]",
        "return versions, versions",
    ),
    Mutant(
        "4 two connections, one life: the other one lives on",
        "04_whichever_connection_fails_takes_the_other_with_it",
        "agent_config_sync/postgres/link.py",
        '            self.lost.set_result(UnreachableError(f"the connection to {self.server.name} was lost"))\n'
        "        self._listen.terminate()\n        self._read.terminate()\n",
        "            pass\n",
    ),
    Mutant(
        "5 a silent link is found: no probe",
        "05_a_lost_listen_is_found_and_nothing_is_missed",
        "agent_config_sync/postgres/link.py",
        "        while not self.lost.done():\n            try:\n                await self._probe()",
        "        while False:\n            try:\n                await self._probe()",
    ),
    Mutant(
        "6 reconnect: the backoff starts anew after a connect",
        "06_the_backoff_grows_while_connecting_works_and_the_pass_does_not",
        "agent_config_sync/sync/loop.py",
        "        return await attempts(self._step_in)\n",
        "        while True:\n            contact = await attempts(self._session.connect)\n            try:\n"
        "                await self._pass(contact, ask=True)\n                return contact\n"
        "            except SyncError as error:\n                self._failed(error, retry_in=0.5)\n"
        "                await asyncio.sleep(0.5)\n",
    ),
    Mutant(
        "7 resync: a pass only for a notification",
        "07_a_drifted_file_is_healed_without_a_notification",
        "agent_config_sync/sync/loop.py",
        "            due = min(next_resync, self._payment.retry_at)",
        "            due = self._payment.retry_at",
    ),
    Mutant(
        "8 keep what is good: an empty roster is as good as any",
        "08_an_empty_roster_does_not_replace_a_full_one",
        "agent_config_sync/sync/pipeline.py",
        "return self._settings.allow_empty or snapshot.excluded",
        "return True",
    ),
    Mutant(
        "9 durable publish: no fsync of the file",
        "09_the_bytes_are_durable_before_the_rename_and_the_rename_after_it",
        "agent_config_sync/publish/atomic.py",
        "            os.fsync(descriptor)\n",
        "",
    ),
    Mutant(
        "9 durable publish: no fsync of the directory",
        "09_the_bytes_are_durable_before_the_rename_and_the_rename_after_it",
        "agent_config_sync/publish/atomic.py",
        "ready=ready)\n    os.fsync(directory)\n",
        "ready=ready)\n",
    ),
    Mutant(
        "9 durable publish: the same bytes are written again",
        "09_the_same_bytes_are_not_written_again",
        "agent_config_sync/sync/prepared.py",
        "return self.before is None or self.before.content_hash != self.content_hash",
        "return True",
    ),
    Mutant(
        "10 a publish owes a reload: it counts as paid when it is published",
        "10_a_reload_that_a_kill_prevented_is_made_up_for_at_the_next_start",
        "agent_config_sync/sync/pipeline.py",
        "        self.state.before_publish(prepared.content_hash)\n",
        "        self.state.save(confirmed=prepared.content_hash)\n",
    ),
    Mutant(
        "10 a publish owes a reload: a confirmation is never withdrawn",
        "10_going_back_to_what_was_confirmed_is_owed_too",
        "agent_config_sync/sync/pipeline.py",
        "        self.state.before_publish(prepared.content_hash)\n",
        "",
    ),
    Mutant(
        "11 one writer: a second run does not wait",
        "11_a_second_run_says_who_has_the_output_and_takes_over",
        "agent_config_sync/sync/loop.py",
        "while not await in_worker(self._lock.try_acquire):",
        "while False and not await in_worker(self._lock.try_acquire):",
    ),
    Mutant(
        "11 one writer: a pass does not lock",
        "11_a_pass_waits_for_another_process_and_then_names_it",
        "agent_config_sync/sync/passes.py",
        "async with pass_lock(self._settings.output).held(LOCK_DEADLINE):\n                unpaid",
        "if True:\n                unpaid",
    ),
    Mutant(
        "12 stop means stop: the gate lets everything pass",
        "12_nothing_is_renamed_once_stop_was_called",
        "agent_config_sync/publish/gate.py",
        "            if self._closed:",
        "            if False:",
    ),
    Mutant(
        "12 stop means stop: stop does not wait for the writer",
        "12_stop_returns_when_the_writer_has_finished",
        "agent_config_sync/worker.py",
        "        while not task.done():\n",
        "        while False:\n",
    ),
    Mutant(
        "13 no echo: a status wakes the pipeline",
        "13_what_we_write_ourselves_wakes_nobody",
        "migrations/0001_config_sync.sql",
        "CREATE OR REPLACE FUNCTION notify_gateway_changed()",
        "CREATE OR REPLACE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify("
        "'agent_config_changed', '{\"source\": \"gateway_status\"}'); RETURN NULL; END $$;\n"
        "CREATE OR REPLACE TRIGGER echo AFTER UPDATE ON gateway_status FOR EACH ROW EXECUTE FUNCTION echo();\n"
        "CREATE OR REPLACE FUNCTION notify_gateway_changed()",
    ),
    Mutant(
        "14 the loop stays free: files are written in it",
        "14_files_are_written_outside_the_event_loop",
        "agent_config_sync/sync/passes.py",
        "prepared, latency = await in_worker(\n                    self._publish, snapshot, tokens,",
        "prepared, latency = self._publish(\n                    snapshot, tokens,",
    ),
)
