"""What a client found, said line by line; a run with a failure, or one that hangs, ends with exit code 1."""

import contextlib
import faulthandler
import pathlib
import sys
import traceback

# No step of a client takes this long, in seconds: then it hangs, and where it does is printed.
LIMIT = 180
# Characters of what was found instead.
SHOWN = 600


class Checks:
    def __init__(self, client, folder):
        self.client = client
        self.folder = pathlib.Path(folder)
        self.passed = 0
        self.failures = []

    @contextlib.contextmanager
    def step(self, name):
        """What is checked inside is one step of the table that run.sh prints."""
        before, done = len(self.failures), False
        try:
            yield
            done = True
        finally:
            self._note(name, "held" if done and len(self.failures) == before else "FAILED")

    def skipped(self, name, why):
        """A step that could not be made, said aloud."""
        print(f"  skipped ({self.client}): {name}: {why}", flush=True)
        self._note(name, "skipped")

    def _note(self, name, outcome):
        with (self.folder / "steps.tsv").open("a", encoding="utf-8") as steps:
            steps.write(f"{self.client}\t{name}\t{outcome}\n")

    def that(self, holds, what, found=""):
        """Notes whether `what` holds; `found` is shown only when it does not. Returns `holds`."""
        if holds:
            self.passed += 1
        else:
            self.failures.append(what)
            shown = f"; found: {str(found)[:SHOWN]}" if found != "" else ""
            print(f"  FAILED ({self.client}): {what}{shown}", flush=True)
        return bool(holds)

    def same(self, found, wanted, what):
        return self.that(found == wanted, what, f"{found!r:.{SHOWN // 2}}, wanted {wanted!r:.{SHOWN // 2}}")

    def raises(self, kind, act, what):
        """`act` must raise `kind`; returns the exception, or None."""
        try:
            given = act()
        except kind as error:
            self.passed += 1
            return error
        except Exception as error:  # any other exception is this check's failure, not the run's
            self.that(False, what, f"{type(error).__name__}: {error}")
            return None
        self.that(False, what, f"no refusal but {given}")
        return None


def run(client, pull):
    """Runs `pull(checks)` within LIMIT seconds and exits 0 when every check held."""
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    checks = Checks(client, sys.argv[1])
    try:
        pull(checks)
    except Exception:
        checks.failures.append("it ran to its end")
        print(f"  FAILED ({client}): it ended early:", flush=True)
        traceback.print_exc(file=sys.stdout)
    print(f"  {client}: {checks.passed} checks held, {len(checks.failures)} failed", flush=True)
    sys.exit(1 if checks.failures or not checks.passed else 0)
