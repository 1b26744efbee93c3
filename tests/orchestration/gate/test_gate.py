"""The gate: five at a time, in turn, shut when Apple says so, and right after a memory that forgot.

Every test runs over the memory in Redis and over its twin in this process.
"""

from contextlib import ExitStack

import pytest

from orchestration.gate import AlreadyRunning, Message, NoPermit
from orchestration.gate.gate import TASK_SECONDS
from orchestration.gate.memory import HEAD_START, IN_FLIGHT_LIMIT, LEASE_SECONDS, PATIENCE_SECONDS

ADMITTED = IN_FLIGHT_LIMIT + HEAD_START


def park(gate, count, *, uid="1", rank=3, first=0):
    """Park some messages, and return the ids of those that were let through."""
    ids = []
    for number in range(first, first + count):
        ids += [one.id for one in gate.park(uid, [Message(id=f"c.{rank}.{number}", payload="{}")], rank)]
    return ids


def take(gate, *arguments, **more):
    """Take a permit and give it back."""
    with gate.permit(*arguments, **{"wait": 0.0} | more) as permit:
        return permit


def close(gate, **more):
    """Take a permit, and give it back with an answer that closes the gate."""
    with gate.permit("1", wait=0.0) as permit:
        permit.closes = True
        for name, value in more.items():
            setattr(permit, name, value)
    return permit


def assert_is_refused(gate, message_id):
    """Another execution of a message gets no permit."""
    with pytest.raises(AlreadyRunning):
        take(gate, "1", message_id)


@pytest.fixture
def hold():
    """Take permits and keep them to the end of the test, or until one is given back."""
    with ExitStack() as stack:

        def hold(gate, count, uid="1"):
            permits = [gate.permit(uid, wait=0.0) for _ in range(count)]
            for permit in permits:
                stack.enter_context(permit)
            return permits

        yield hold


def test_admits_five_and_a_head_start(gate):
    """However many messages are parked, a handful goes to the broker."""
    assert len(park(gate, 50)) == ADMITTED
    assert gate.look("1").waiting == 50 - ADMITTED


def test_one_goes_one_comes(gate):
    """The end of a task admits the next."""
    admitted = park(gate, 20)
    assert [one.id for one in gate.finish("1", admitted[0])] == [f"c.3.{ADMITTED}"]


def test_parked_once(gate):
    """A message that is sent twice waits once."""
    park(gate, 20)
    park(gate, 20)
    assert gate.look("1").waiting == 20 - ADMITTED


def test_seeds_go_first(gate):
    """A seed overtakes the pages that wait."""
    admitted = park(gate, 20)
    park(gate, 1, rank=0)
    assert [one.id for one in gate.finish("1", admitted[0])] == ["c.0.0"]


def test_locations_are_apart(gate):
    """One location's pages leave another's gate alone."""
    park(gate, 20, uid="1")
    assert len(park(gate, 20, uid="2")) == ADMITTED


def test_never_a_sixth(gate, hold):
    """Five permits, and no more until one is given back."""
    permits = hold(gate, IN_FLIGHT_LIMIT)
    with pytest.raises(NoPermit):
        take(gate, "1")
    permits[0].__exit__(None, None, None)
    with gate.permit("1", wait=0.0):
        assert gate.look("1").in_flight == IN_FLIGHT_LIMIT


def test_two_executions_of_one_message(gate):
    """A message that is delivered twice is one request: a copy is refused, also while the answer is being stored."""
    park(gate, 2)
    with gate.permit("1", "c.3.0", wait=0.0):
        assert_is_refused(gate, "c.3.0")
        with gate.permit("1", "c.3.1", wait=0.0), gate.permit("1", wait=0.0):
            assert gate.look("1").in_flight == 3
    assert_is_refused(gate, "c.3.0")
    gate.finish("1", "c.3.0")
    assert_is_refused(gate, "c.3.0")


def test_a_message_that_comes_again_requests_again(gate):
    """If nothing was stored and the message parks itself, its next delivery is no copy."""
    park(gate, 1)
    take(gate, "1", "c.3.0")
    gate.park_again("1", "c.3.0", 0.0)
    take(gate, "1", "c.3.0")


def test_a_worker_that_died_while_it_stored(gates, gate):
    """What it had requested is requested again, once nobody can be storing it any more."""
    park(gate, 1)
    take(gate, "1", "c.3.0")
    gates.pass_time(TASK_SECONDS - 0.5)
    assert_is_refused(gate, "c.3.0")
    gates.pass_time(1.0)
    assert TASK_SECONDS < LEASE_SECONDS
    take(gate, "1", "c.3.0")


def test_a_copy_leaves_the_message_alone(gates, gate):
    """A copy that leaves takes nothing away from the execution that works: that one is renewed as before."""
    [admitted] = park(gate, 1)
    gate.start("1", admitted)
    gate.start("1", admitted)
    gate.leave(admitted)
    gates.pass_time(TASK_SECONDS - 1)
    gate.renew()
    gates.pass_time(PATIENCE_SECONDS - 1)
    assert gate.pump() == []


def test_a_retry_after_shuts(gate):
    """A wait that Apple names stops permits and admissions of this location, and of no other."""
    with gate.permit("1") as permit:
        permit.closes, permit.retry_after = True, 30.0
    assert 29 < gate.look("1").shut_seconds <= 30
    with pytest.raises(NoPermit) as caught:
        take(gate, "1", wait=1.0)
    assert 28 < caught.value.seconds <= 30
    assert park(gate, 3) == []
    take(gate, "2")


def test_five_answers_are_one_closing(gate):
    """Five requests that are told to slow down together make the wait grow once."""
    permits = [gate.permit("1") for _ in range(5)]
    for permit in permits:
        permit.__enter__().closes = True
    for permit in permits:
        permit.__exit__(None, None, None)
    assert gate.look("1").shut_seconds <= 1.0


def test_the_wait_grows(gates, gate):
    """Each closing in a row waits twice as long as the one before; a success ends that."""
    waits = []
    for _ in range(3):
        waits.append(round(close(gate).shut_seconds))
        gates.pass_time(waits[-1] + 0.1)
    assert waits == [1, 2, 4]
    take(gate, "1")
    assert round(close(gate).shut_seconds) == 1


def test_the_pump_opens(gates, gate):
    """What waited behind a shut gate is admitted when its time has come, by whoever looks."""
    close(gate, retry_after=60.0)
    park(gate, 3)
    assert gate.pump() == []
    gates.pass_time(61.0)
    assert len(gate.pump()) == 3


def test_parked_for_later(gates, gate):
    """A task that is to come again waits for its time, and keeps its place."""
    admitted = park(gate, 1)
    assert gate.park_again("1", admitted[0], 60.0) == []
    assert gate.look("1").waiting == 1
    gates.pass_time(59.0)
    assert gate.pump() == []
    gates.pass_time(2.0)
    assert [one.id for one in gate.pump()] == admitted


def test_a_lost_message_is_published_again(gates, gate):
    """A message that was let through and never started is published again, and may then wait twice as long."""
    admitted = park(gate, 1)
    for times in range(3):
        gates.pass_time(PATIENCE_SECONDS * 2**times - 0.5)
        assert gate.pump() == []
        gates.pass_time(1.0)
        assert [one.id for one in gate.pump()] == admitted


def test_a_running_task_is_not_lost(gates, gate):
    """A task that runs is renewed; one whose process died lapses within a lease."""
    [admitted] = park(gate, 1)
    gate.start("1", admitted)
    with gate.permit("1", admitted, wait=0.0):
        for _ in range(4):
            gates.pass_time(LEASE_SECONDS / 2)
            gate.renew()
            assert gate.pump() == []
        gates.pass_time(LEASE_SECONDS + 0.5)
        assert [one.id for one in gates.open().pump()] == [admitted]


def test_a_dead_process_is_noticed(gates, gate, hold):
    """A permit that nobody renews frees itself."""
    hold(gate, IN_FLIGHT_LIMIT)
    gates.pass_time(LEASE_SECONDS - 0.5)
    with pytest.raises(NoPermit):
        take(gates.open(), "1")
    gates.pass_time(1.0)
    take(gates.open(), "1")


def test_a_memory_that_forgot(gates, gate, hold):
    """An emptied memory lets nobody through for one lease; those who are at Apple come back into the count."""
    held = hold(gate, 3)
    gates.forget()
    with pytest.raises(NoPermit) as caught:
        take(gate, "1", wait=1.0)
    assert caught.value.seconds > 10
    gate.renew()
    assert gate.look("1").in_flight == len(held)
    assert park(gate, 2) == []


def test_no_more_than_apples_rate(gates, gate):
    """Grants stay within the requests a second that Apple allows, counted over a window longer than its second."""
    granted = []
    for step in range(30):
        gates.pass_time(0.1)
        try:
            take(gate, "1", rate=5)
        except NoPermit:
            continue
        granted.append(step)
    assert all(later - earlier >= 11 for earlier, later in zip(granted, granted[5:], strict=False))
    assert len(granted) >= 10


def test_a_permit_is_waited_for(gates, gate):
    """Whoever may wait gets the permit that Apple's rate allows a moment later."""
    for _ in range(3):
        take(gate, "1", rate=3)
    with pytest.raises(NoPermit) as caught:
        take(gate, "1", rate=3, wait=0.5)
    assert 0.5 < caught.value.seconds <= 1.2
    gates.pass_time(1.0)
    take(gate, "1", rate=3, wait=0.5)


def test_knows_what_waits(gate):
    """Whether anything of a crawl is under way is told by its ids, but for the one that is asked about."""
    park(gate, 1)
    assert gate.knows("1", "c.")
    assert not gate.knows("1", "d.")
    assert not gate.knows("1", "c.", but="c.3.0")


def test_a_message_is_never_recoded(gate):
    """What is parked comes out to the letter: empty lists, large numbers and all."""
    payload = '{"a":[],"n":12345678901234567890,"t":"ü\\u0000"}'
    assert gate.park("1", [Message(id="c.0", payload=payload)], 0)[0].payload == payload


def test_one_of_a_kind(gate):
    """Of those that name the same chain, one at a time has a permit; others are not kept from theirs."""
    with gate.permit("1", sole="chain", wait=0.0):
        with pytest.raises(NoPermit):
            take(gate, "1", sole="chain")
        with gate.permit("1", wait=0.0), gate.permit("2", sole="chain", wait=0.0):
            assert gate.look("1").in_flight == 2
    take(gate, "1", sole="chain")


@pytest.mark.parametrize("named", [None, 0.0, 0.2])
def test_slow_down_never_means_at_once(gate, named):
    """Whatever wait is named, none included, the gate is shut for its own least wait."""
    permit = close(gate, retry_after=named)
    assert 0.9 < gate.look("1").shut_seconds <= 1.0
    assert 0.9 < permit.shut_seconds <= 1.0


def test_a_wait_grows_whatever_is_named(gates, gate):
    """A small wait that is named again and again does not keep the least one from growing, up to its limit."""
    waits = []
    for _ in range(6):
        waits.append(round(close(gate, retry_after=0.0, limit=15.0).shut_seconds))
        gates.pass_time(waits[-1] + 0.1)
    assert waits == [1, 2, 4, 8, 15, 15]


def test_a_plain_success_may_name_a_wait(gate):
    """An answer that is well, and names a wait, shuts the gate for that and lets nothing grow."""
    with gate.permit("1", wait=0.0) as permit:
        permit.retry_after = 3.0
    assert 2.9 < gate.look("1").shut_seconds <= 3.0
    assert permit.step == 0


def test_hours_are_kept(gates, gate):
    """A wait of hours is kept to the second."""
    assert close(gate, retry_after=7200.0).shut_seconds > 7199
    gates.pass_time(7190.0)
    with pytest.raises(NoPermit):
        take(gate, "1")
    gates.pass_time(11.0)
    take(gate, "1")


def test_a_memory_is_restored_before_its_gates_open(gates, gate):
    """A memory that knows who is at Apple, but not what Apple asked for, lets nobody through until it is told."""
    gates.forget()
    gates.memory.open_epoch()
    with pytest.raises(NoPermit):
        take(gate, "1")
    unrestored = gate.unrestored()
    gate.shut("1", 50.0, step=3)
    gate.note_restored(unrestored)
    assert gate.unrestored() is None
    assert 49 < gate.look("1").shut_seconds <= 50
    take(gate, "2")
    gates.forget()
    gate.note_restored(unrestored)  # of the memory that was: the one that forgot is still to be told
    assert gate.unrestored() is not None


def test_what_is_reported_makes_the_next_wait_longer(gates, gate):
    """A gate that was closed three times in a row, by another memory's account, waits as long as after the third."""
    gate.shut("1", 4.0, step=3)
    gates.pass_time(4.1)
    assert round(close(gate).shut_seconds) == 8


def test_a_gate_that_is_woken_meanwhile(gates, gate):
    """A time that is set while a pump looks at the gate is not lost: the pump does not have the last word."""
    [first] = park(gate, 1)
    gate.finish("1", first)
    gates.memory.wake("1", 0)
    [(uid, seen)] = gates.memory.due()
    again = gates.memory.admit(uid).again_at
    [second] = park(gate, 1, first=1)
    gate.park_again("1", second, 0.2)
    gates.memory.reschedule(uid, seen, again)
    gates.pass_time(0.3)
    assert [one.id for one in gate.pump()] == [second]


def test_a_permit_that_is_given_back_while_it_is_renewed(gate):
    """A request that ends between the look at what lives and the renewal leaves no permit behind."""
    permit = gate.permit("1", sole="chain", wait=0.0)
    permit.__enter__()
    living = gate._living()
    permit.__exit__(None, None, None)
    gate._living = lambda: living
    gate.renew()
    assert gate.look("1").in_flight == 0
    take(gate, "1", sole="chain")


def test_a_task_that_waits_again_is_not_renewed(gate):
    """A message that was parked for later keeps its wait, though its process still believes that it runs."""
    [admitted] = park(gate, 1)
    gate.start("1", admitted)
    gate.start("1", admitted)  # a copy, which goes on
    gate.park_again("1", admitted, 60.0)
    gate.renew()
    assert (gate.look("1").waiting, gate.look("1").admitted) == (1, 0)


def test_a_task_that_hangs_is_not_renewed(gates, gate):
    """A task that is neither at Apple nor done within its time is taken for lost, while its process lives."""
    [admitted] = park(gate, 1)
    gate.start("1", admitted)
    gates.pass_time(TASK_SECONDS + 0.1)
    gate.renew()
    gates.pass_time(PATIENCE_SECONDS - TASK_SECONDS)
    assert [one.id for one in gate.pump()] == [admitted]


def test_what_cannot_be_stored_is_not_requested(gates, gate):
    """While answers cannot be stored, the location waits ever longer; five failures of one cause are one."""
    waits = []
    for _ in range(4):
        for _ in range(5):
            gate.hold("1")
        waits.append(round(gate.look("1").shut_seconds))
        gates.pass_time(waits[-1] + 0.1)
    assert waits == [1, 2, 4, 8]
    gates.pass_time(61.0)
    gate.hold("1")
    assert round(gate.look("1").shut_seconds) == 1


def test_requests_without_a_rate_count_too(gate):
    """Requests of a process that knows no limit are counted by those that do."""
    for _ in range(3):
        take(gate, "1")
    with pytest.raises(NoPermit):
        take(gate, "1", rate=3)
