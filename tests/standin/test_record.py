import trio
import trio.testing

from trioproxy.standin import Record


def test_credentials_are_never_stored() -> None:
    record = Record()
    headers = {"x-api-key": "1", "authorization": "2", "cookie": "3", "Proxy-Authorization": "4"}
    request = record.add("GET", "/", headers={**headers, "accept": "5"})
    assert request.headers == {"accept": "5"}
    assert list(record) == [request]


def test_the_oldest_are_forgotten_and_numbers_go_on() -> None:
    record = Record(max_requests=2)
    for path in "abc":
        record.add("GET", path)
    assert [(request.number, request.path) for request in record] == [(2, "b"), (3, "c")]
    record.clear()
    assert len(record) == 0
    assert record.add("GET", "d").number == 4
    assert repr(record) == "<Record: 1 requests, the last is number 4>"


def test_since_is_what_came_after() -> None:
    record = Record()
    for path in "abc":
        record.add("GET", path)
    assert [request.path for request in record.since(1)] == ["b", "c"]
    assert record.since(3) == []


def test_messages_are_the_posts_to_messages() -> None:
    record = Record()
    record.add("POST", "/v1/messages/count_tokens")
    record.add("GET", "/v1/messages")
    expected = record.add("POST", "/v1/messages", query="beta=true")
    assert record.messages == [expected]


async def test_waiting_ends_with_the_last_that_is_waited_for() -> None:
    record = Record()
    seen: list[int] = []

    async def wait(count: int) -> None:
        seen.append(len(await record.wait_for_messages(count)))

    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + 2
        nursery.start_soon(wait, 1)
        nursery.start_soon(wait, 2)
        await trio.testing.wait_all_tasks_blocked()
        record.add("GET", "/")
        await trio.testing.wait_all_tasks_blocked()
        assert seen == []
        record.add("POST", "/v1/messages")
        await trio.testing.wait_all_tasks_blocked()
        assert seen == [1]
        record.add("POST", "/v1/messages")
    assert seen == [1, 2]


async def test_what_is_there_already_is_not_waited_for() -> None:
    record = Record()
    record.add("POST", "/v1/messages")
    with trio.fail_after(1):
        assert len(await record.wait_for_messages(1)) == 1
