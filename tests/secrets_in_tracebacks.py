"""Show an error as the most talkative tools do, with the values of local variables."""

import sys
import traceback
import warnings


def from_greenkit(error):
    """Remove the frames of the test, which has the secrets, before those of greenkit."""
    tb = error.__traceback__
    while tb is not None and not tb.tb_frame.f_globals.get("__name__", "").startswith("greenkit"):
        tb = tb.tb_next
    return error.with_traceback(tb)


def plain(error):
    """Show an error with locals, causes, and contexts, even those that are suppressed."""
    shown, todo = [], [error]
    while todo:
        e = todo.pop()
        if e is not None:
            shown += traceback.TracebackException.from_exception(e, capture_locals=True).format(chain=False)
            shown.append(repr(e.args))
            todo += [e.__cause__, e.__context__]
    return "".join(shown)


def ipython(error):
    """Show it as IPython does after ``%xmode Verbose``, without colors, whose codes could split a secret."""
    import IPython
    from IPython.core.ultratb import VerboseTB

    plainly = {"theme_name": "nocolor"} if IPython.version_info >= (9,) else {"color_scheme": "NoColor"}
    made = VerboseTB(include_vars=True, **plainly)
    return "\n".join(made.structured_traceback(type(error), error, error.__traceback__))


def rich(error):
    """Show what ``rich.traceback.install(show_locals=True)`` prints, with nothing shortened.

    These are the texts before rich lays them out in boxes and colors, which takes a hundred times as long.
    """
    from rich.traceback import Traceback

    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_length=None, locals_max_string=None
    )
    shown = []
    for stack in trace.stacks:
        shown.append(f"{stack.exc_type}: {stack.exc_value}")
        for frame in stack.frames:
            shown += [f"{name} = {value}" for name, value in (frame.locals or {}).items()]
    return "\n".join(shown)


def cgitb(error):
    """Show it as the standard library's cgitb does, which Python 3.13 no longer has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import cgitb

        # it fails on attributes of an OSError, and the frames are what matters
        return cgitb.text((RuntimeError, RuntimeError(str(error)), error.__traceback__))


TOOLS = {"plain": plain, "ipython": ipython, "rich": rich}
if sys.version_info < (3, 13):
    TOOLS["cgitb"] = cgitb
