"""`pageturner notify`: who is told, from a file; what could not be told; and no secret on any surface."""

import json

import pytest
from standardwebhooks.webhooks import Webhook

from entrypoints.exits import Exit
from storage.states import LocationState
from tests.support.receiver import running_mailbox, running_receiver


@pytest.fixture
def receiver():
    """A receiver of webhooks."""
    with running_receiver() as running:
        yield running


@pytest.fixture
def mailbox():
    """A mailbox."""
    with running_mailbox() as running:
        yield running


@pytest.fixture
def apply(terminal):
    """Apply a file of some text."""

    def run(text, *options):
        file = terminal.home / "notify.toml"
        file.write_text(text)
        return terminal.run("notify", "apply", str(file), *options)

    return run


def both(mailbox, receiver, more=""):
    """Return a file with a channel and a webhook."""
    channel = f'[[channel]]\nname = "it"\nurl = "{mailbox.url}"\nrules = ["token-refused"]\n'
    return f'{channel}\n[[webhook]]\nname = "mdm"\nurl = "{receiver.url}"\n{more}\n'


def test_from_a_file_to_who_is_told(terminal, apply, mailbox, receiver):
    """A file is planned, then kept; what it no longer names stays until it is pruned."""
    text = both(mailbox, receiver, 'locations = ["hq"]\nresources = ["users"]\nrecords = true')
    planned = apply(text, "--dry-run")
    assert (planned.status, planned.out.splitlines()) == (Exit.PENDING, ["+ add    channel it", "+ add    webhook mdm"])
    assert json.loads(terminal.run("notify", "list", "--json").out) == []
    done = apply(text)
    assert done.status == Exit.IN_STEP
    assert "`pageturner notify secret mdm` prints the secret" in done.err
    it, mdm = json.loads(terminal.run("notify", "list", "--json").out)
    assert (it["name"], it["kind"], it["told_of"], it["locations"]) == (
        "it",
        "channel (mailto)",
        "token-refused",
        "all",
    )
    assert (mdm["name"], mdm["state"], mdm["told_of"], mdm["locations"]) == ("mdm", "told", "users", "hq")
    secret = terminal.run("notify", "secret", "mdm").out
    assert apply('[[channel]]\nname = "it"\nurl = "json://127.0.0.1"\n').out.splitlines() == [
        "~ change channel it",
        "  keep   webhook mdm: not in the file",
    ]
    assert terminal.run("notify", "secret", "mdm").out == secret
    apply('[[channel]]\nname = "it"\nurl = "json://127.0.0.1"\n', "--prune")
    assert [one["name"] for one in json.loads(terminal.run("notify", "list", "--json").out)] == ["it"]


def test_it_can_be_tried(terminal, apply, mailbox, receiver):
    """A test reaches everybody, signed where it is a webhook, and says how each answered."""
    apply(both(mailbox, receiver))
    ended = terminal.run("notify", "test")
    assert (ended.status, ended.err.splitlines()) == (Exit.IN_STEP, ["it: it was taken.", "mdm: it was taken."])
    assert mailbox.texts()[0].startswith("Pageturner: a test")
    [(headers, body)] = receiver.deliveries
    secret = terminal.run("notify", "secret", "mdm").out.strip()
    assert Webhook(secret).verify(body, headers)["type"] == "test"
    receiver.answer = lambda _: 404
    ended = terminal.run("notify", "test", "mdm")
    assert (ended.status, ended.err) == (Exit.FAILED, "mdm: It answered with status 404.\n")
    assert "Nobody is called 'x'; there are it, mdm." in terminal.run("notify", "test", "x").err


def test_a_secret_of_ones_own(terminal, apply, receiver):
    """A secret may come from a variable, so that the receiver has it before; it is in no file and no output."""
    terminal.monkeypatch.setenv("HOOK_SECRET", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    text = f'[[webhook]]\nname = "mdm"\nurl = "{receiver.url}"\nsecret_env = "HOOK_SECRET"\n'
    assert "HOOK_SECRET" not in apply(text).err
    assert terminal.run("notify", "secret", "mdm").out == "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n"


def test_what_could_not_be_told(terminal, apply, mailbox, receiver):
    """What was not taken is listed with why and when it is tried again, and can be told again."""
    apply(both(mailbox, receiver))
    assert "All was told." in terminal.run("notify", "dead").err
    receiver.answer = lambda _: 500
    terminal.publish("assets", {"adamId": "7", "pricingParam": "STDQ"}, version="v1")
    services = served(terminal)
    services.use_cases.hook_sender.deliver()
    [row] = terminal.run("notify", "dead").out.splitlines()[1:]
    assert row.split()[:3] == ["mdm", "hq", "again"]
    assert "It answered with status 500." in row
    [one] = json.loads(terminal.run("notify", "dead", "--json").out)
    assert (one["hook"], one["uid"], one["attempts"]) == ("mdm", "1", 1)
    receiver.answer = lambda _: 200
    assert terminal.run("notify", "replay", "mdm", "--location", "hq").err == "'mdm' is told again.\n"
    assert services.use_cases.hook_sender.deliver() == 1
    terminal.run("notify", "replay", "mdm", "--after", "0")
    assert services.use_cases.hook_sender.deliver() == 1
    assert terminal.run("notify", "replay", "it").err == "0 messages are sent again to 'it'.\n"
    assert terminal.run("notify", "replay", "it", "--after", "0").status == Exit.USAGE
    assert "There is no such webhook." in terminal.run("notify", "replay", "nobody").err


def served(terminal):
    """Return the services of a process of this home."""
    from settings import read_settings
    from tasks.services import build

    assert terminal.home.exists()
    return build(read_settings())


def test_by_the_environment_alone(terminal, mailbox):
    """Without a file, addresses of the environment are told everything."""
    terminal.monkeypatch.setenv("PAGETURNER_NOTIFY", f"{mailbox.url} json://127.0.0.1:9")
    told = json.loads(terminal.run("notify", "list", "--json").out)
    assert [(one["name"], one["told_of"]) for one in told] == [
        ("environment-1", "everything"),
        ("environment-2", "everything"),
    ]
    terminal.store.locations.mark(terminal.store.location.id, LocationState.REVOKED, "It was revoked.", "TokenRevoked")
    services = served(terminal)
    services.use_cases.teller.tell()
    assert services.use_cases.teller.send() == 1
    [text] = mailbox.texts()
    assert "hq: It was revoked." in text
    assert "pageturner locations rotate hq FILE" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[channel", "is not TOML"),
        ('[[channel]]\nurl = "json://x"', "missing required field `name`"),
        ('[[channel]]\nname = "a"', "channel 'a': give one of url, url_env and url_file."),
        ('[[channel]]\nname = "a"\nurl = "nope://x"', "channel 'a': its address is of no kind that is known."),
        ('[[channel]]\nname = "a"\nurl_env = "NO_SUCH_VARIABLE"', "the variable NO_SUCH_VARIABLE is not set."),
        ('[[channel]]\nname = "a"\nurl_file = "none"', "none cannot be read: No such file or directory."),
        ('[[channel]]\nname = "a"\nurl = "json://x"\nrules = ["noise"]', "there is no rule 'noise'; there are token-"),
        ('[[channel]]\nname = "a"\nurl = "json://x"\nlocations = ["no"]', "There is no such location."),
        ('[[webhook]]\nname = "a"\nurl = "http://example.com/x"', "its url must begin with https://"),
        ('[[webhook]]\nname = "a"\nurl = "https://x"\nresources = ["apps"]', "there is no resource 'apps'"),
        ('[[webhook]]\nname = "a"\nurl = "https://x"\nsecret_env = "PATH"', "the secret in PATH must be whsec_"),
        (
            '[[webhook]]\nname = "a"\nurl = "https://x"\n[[channel]]\nname = "a"\nurl = "json://x"',
            "the name a is there twice",
        ),
        ("[channels]", "unknown field `channels`"),
    ],
)
def test_a_file_that_is_wrong(apply, text, words):
    """What is wrong with a file is named, and nothing is done."""
    ended = apply(text)
    assert (ended.status, words in ended.err) == (Exit.USAGE, True), ended.err


def test_no_secret_is_shown(terminal, apply):
    """Addresses of channels are nowhere shown, whole or in part: in no list, plan, test or database."""
    url = "slack://T0AAAAAAA/B0BBBBBBB/hunter2hunter2hunter2hun"
    shown = [apply(f'[[channel]]\nname = "chat"\nurl = "{url}"\n')]
    shown += [terminal.run("notify", *words) for words in (("list",), ("list", "--json"), ("dead",))]
    text = "".join(one.out + one.err for one in shown)
    for secret in ("T0AAAAAAA", "B0BBBBBBB", "hunter2"):
        assert secret not in text
        assert secret.encode() not in (terminal.home / "pageturner.db").read_bytes()
    assert "slack" in text


def test_reseal_covers_them(terminal, apply, receiver):
    """A new first key seals secrets and addresses as well: the old one is no longer needed."""
    from storage.sealer import make_key

    apply(f'[[webhook]]\nname = "mdm"\nurl = "{receiver.url}"\n[[channel]]\nname = "a"\nurl = "json://x"\n')
    secret = terminal.run("notify", "secret", "mdm").out
    old, new = (terminal.home / "key").read_text().strip(), make_key()
    terminal.monkeypatch.setenv("PAGETURNER_SECRET_KEYS", f"{new} {old}")
    assert "1 tokens, and 2 addresses and secrets" in terminal.run("reseal").err
    terminal.monkeypatch.setenv("PAGETURNER_SECRET_KEYS", new)
    assert terminal.run("notify", "secret", "mdm").out == secret
    assert terminal.run("notify", "list").status == Exit.IN_STEP


def test_a_plan_of_nothing(apply, mailbox, receiver):
    """What is as the file says is no step: a dry run ends with 0; a location that there is not is named in it too."""
    text = both(mailbox, receiver)
    apply(text)
    assert (apply(text, "--dry-run").status, apply(text).out) == (Exit.IN_STEP, "")
    assert apply(both(mailbox, receiver, 'locations = ["nowhere"]'), "--dry-run").status == Exit.USAGE


def test_a_name_that_is_another_kind(terminal, apply, mailbox, receiver):
    """A name may move from a channel to a webhook; pruned, the channel is told no more."""
    apply(f'[[channel]]\nname = "a"\nurl = "{mailbox.url}"\n')
    done = apply(f'[[webhook]]\nname = "a"\nurl = "{receiver.url}"\n', "--prune")
    assert done.out.splitlines() == ["+ add    webhook a", "- remove channel a"]
    assert [one["kind"] for one in json.loads(terminal.run("notify", "list", "--json").out)] == ["webhook"]


def test_the_address_of_a_webhook_is_kept_secret(terminal, apply):
    """An address may hold a password or a key: of it, where it is is shown, and the rest is sealed."""
    apply('[[webhook]]\nname = "mdm"\nurl = "https://user:geheim@mdm.example.org/h?token=SECRETTOKEN"\n')
    shown = terminal.run("notify", "list").out + terminal.run("notify", "list", "--json").out
    assert "https://mdm.example.org/…" in shown
    for secret in ("geheim", "SECRETTOKEN"):
        assert secret not in shown
        assert secret.encode() not in (terminal.home / "pageturner.db").read_bytes()


def test_a_new_address_wakes_a_webhook(terminal, apply, receiver):
    """A webhook that was gone is told again once it has another address."""
    apply(f'[[webhook]]\nname = "mdm"\nurl = "{receiver.url}"\n')
    terminal.store.hooks.note_gone("mdm")
    assert "gone: it answered 410" in terminal.run("notify", "list").out
    assert "gone: it answered 410" in terminal.run("notify", "dead").out
    apply(f'[[webhook]]\nname = "mdm"\nurl = "{receiver.url}/new"\n')
    assert json.loads(terminal.run("notify", "list", "--json").out)[0]["state"] == "told"
