// The follower: the one thread that reads the journal in order and brings everything derived from it up to date:
// message index, feed activity, registries, ledger of effects (one SQLite transaction with the position) and the queue
// (its own transaction with its own position).
//
//   Follower follower(context, options);
//   MN_CHECK(follower.catch_up(stop));       // before the doors open
//   auto thread = start_thread("follow", [&](std::stop_token stop) { follower.run(stop); });
//
// What it derives depends on the journal alone (and on the feeds' default domains), so deleting the derived files and
// starting again gives the same state. A record that it cannot make sense of is counted and passed over: the bytes are
// in the journal, and nothing else waits for it. kCorrupt from the journal or the database ends run() and is told to
// `on_fatal`.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "flow/feed_book.h"
#include "flow/follow_plan.h"
#include "flow/progress.h"
#include "os/clock.h"
#include "record/adt.h"
#include "record/effects.h"
#include "record/patients.h"
#include "record/providers.h"
#include "record/registry_log.h"
#include "store/index/derived.h"
#include "store/index/feed_activity.h"
#include "store/index/message_index.h"
#include "store/journal/journal.h"
#include "store/queue/queue.h"

namespace minato {

struct FollowerContext {
  Journal& journal;
  DerivedDatabase& derived;
  Queue& queue;
  Progress& progress;
  Clock& clock;
  metrics::Registry& metrics;
};

struct FollowerOptions {
  std::shared_ptr<const FeedBook> feeds;
  std::size_t records_max = 2000;  // of one batch: what a crash repeats, and how long readers wait at most
  // Entries as they are applied, in order: the receivers' duplicate windows follow other nodes by it.
  std::function<void(std::span<const Entry>)> observer;
  std::function<void(const Error&)> on_fatal;
};

class Follower {
 public:
  Follower(const FollowerContext& context, FollowerOptions options);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // Applies everything that is durable now. Returns early without error when stop is asked for.
  Status catch_up(const std::stop_token& stop);
  void run(const std::stop_token& stop);
  // The tables that it needs in the derived database.
  static std::vector<ProjectionSchema> schemas();

 private:
  struct Projections;
  Result<Seq> position();
  // Whether the registries and the ledger hold this record's part already, taken over from a purge.
  bool is_kept(Seq seq) const { return seq <= context_.derived.kept_until(); }
  // Applies the next batch; false when there was none.
  Result<bool> step();
  Status apply_derived(std::span<const Entry> entries, std::span<const EntryPlan> plans);
  Status apply_one(const Entry& entry, const EntryPlan& plan);
  Status apply_message(const Entry& entry, const EntryPlan& plan);
  Status apply_outcome(const Entry& entry, const EntryPlan& plan);
  Status apply_queue(std::span<const Entry> entries, std::span<const EntryPlan> plans);

  FollowerContext context_;
  FollowerOptions options_;
  std::unique_ptr<Projections> projections_;
  metrics::Counter& applied_;
  metrics::Counter& unreadable_;
  metrics::Gauge& lag_;
};

}  // namespace minato
