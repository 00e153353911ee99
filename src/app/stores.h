// Everything that lasts, opened from the configuration: journal, derived database, queue, and the follower that keeps
// the last two up with the first. The server stands on it; so do commands that read a data directory while no server
// runs.
//
// data_dir/
//   journal/            segments (docs/formats/journal.md), and the lock that keeps a second process out
//   derived.db queue.db projections; may be deleted
//   admin.token admin.url tokens.json
//   outbox/             mails as files, when mail.kind = "files"
//   routes/             the rules in use
#pragma once

#include <memory>
#include <string>

#include "app/config.h"
#include "base/metrics.h"
#include "flow/feed_book.h"
#include "flow/follow.h"
#include "flow/operations.h"
#include "flow/progress.h"
#include "store/index/derived.h"
#include "store/journal/journal.h"
#include "store/journal/segment_journal.h"
#include "store/queue/queue.h"

namespace minato {

struct StoreHooks {
  std::function<void(std::span<const Entry>)> observer;  // see FollowerOptions
  std::function<void(const Error&)> on_fatal;            // the journal or the follower cannot go on
};

class Stores {
 public:
  // Opens, repairs what recovery may repair, and rebuilds projections that are missing; the follower has not run yet.
  // kConflict: another process has the directory.
  static Result<std::unique_ptr<Stores>> open(const Config& config, metrics::Registry& metrics, StoreHooks hooks);
  ~Stores();

  Status catch_up(const std::stop_token& stop) { return follower_->catch_up(stop); }
  Follower& follower() { return *follower_; }
  Journal& journal() { return *journal_; }
  // The same journal when it is embedded; null with PostgreSQL.
  SegmentJournal* segments() { return segments_; }
  DerivedDatabase& derived() { return *derived_; }
  Queue& queue() { return *queue_; }
  Progress& progress() { return progress_; }
  Operations& operations() { return *operations_; }
  std::shared_ptr<const FeedBook> feeds() const { return feeds_; }

 private:
  Stores() = default;
  std::unique_ptr<Journal> journal_;
  SegmentJournal* segments_ = nullptr;
  std::unique_ptr<DerivedDatabase> derived_;
  std::unique_ptr<Queue> queue_;
  Progress progress_;
  std::shared_ptr<const FeedBook> feeds_;
  std::unique_ptr<Follower> follower_;
  std::unique_ptr<Operations> operations_;
};

}  // namespace minato
