// The check that a lease is still held, for a transaction that must not commit otherwise (the journal's append, when
// journal and queue share one PostgreSQL database).
//
// Parameters: the lanes' names (bytea[]) and their epochs (bigint[]), side by side. Answers one row for each pair that
// is held: its place in the arrays, from 1. A place that is missing is a lease that was lost: kConflict.
// The rows stay locked (FOR SHARE) until the transaction ends, so nobody can lease those lanes between the check and
// the commit; whoever tries skips them. Ask before locking anything that others wait for: an apply of the queue may
// hold these rows for some milliseconds. The table is specified in docs/formats/queue.md; it is there once a queue was
// opened.
#pragma once

namespace minato {

inline constexpr const char* kHeldFencesSql =
    "SELECT f.place FROM queue_lanes l JOIN unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS f(name, epoch, place) "
    "ON l.name = f.name AND l.epoch = f.epoch ORDER BY l.lane_id FOR SHARE OF l";

}  // namespace minato
