"""The pool's log lines about one process. Their wording is interface: operators match it."""

import logging

logger = logging.getLogger("trioproxy.pool")


def created(name: str, total: int, most: int, *, is_first: bool) -> None:
    """A process has booted; `is_first`: it is one of those at the start."""
    if is_first:
        logger.info("[POOL] Created new pooled connection %s", name)
    else:
        logger.info("[POOL] Created new connection %s (total: %d/%d)", name, total, most)


def assigned(name: str, uses: int, total: int) -> None:
    """A process has a turn."""
    logger.debug(
        "[POOL] Reusing existing connection %s (use_count: %d, pool_size: %d)", name, uses, total
    )
    logger.debug("[POOL_MANAGER] Acquired pooled connection %s (use_count: %d)", name, uses)


def released(name: str, available: int, in_use: int) -> None:
    """A process is free, and nobody waits for it."""
    logger.debug(
        "[POOL] Released connection %s back to pool (available: %d, in_use: %d)",
        name,
        available,
        in_use,
    )


def cleaned_up(name: str, timeout: float) -> None:
    """A process has been idle for too long."""
    logger.info("[POOL] Cleaned up idle connection %s (was idle for >=%g seconds)", name, timeout)


def destroyed(name: str, remaining: int) -> None:
    """A process has ended."""
    logger.info("[POOL] Destroyed connection %s (total remaining: %d)", name, remaining)


_EXPECTED = {"made room", "idle", "worn", "single use", "not needed", "boot failed"}


def ended(name: str, reason: str, *, is_unhealthy: bool) -> None:
    """Why it has, if nobody has meant it to."""
    if is_unhealthy:
        logger.warning("[POOL] Destroyed unhealthy connection %s", name)
    elif reason not in _EXPECTED:
        logger.warning("[POOL] Connection %s was replaced: %s", name, reason)
