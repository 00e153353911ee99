#include "app/stores.h"

#include "base/log.h"
#include "os/files.h"
#if __has_include("store/journal/postgres_journal.h")
#include "store/journal/postgres_journal.h"
#define MINATO_HAS_POSTGRES_JOURNAL 1
#endif
#include "store/journal/segment_journal.h"
#include "store/queue/open.h"

namespace minato {
namespace {

JournalEvents journal_events(metrics::Registry& metrics, const std::function<void(const Error&)>& on_fatal) {
  auto& seconds = metrics.histogram("minato_journal_commit_seconds", "Time of one commit: write and fdatasync.");
  auto& records = metrics.histogram("minato_journal_commit_records", "Records that shared one commit.", {},
                                    {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096});
  auto& bytes = metrics.counter("minato_journal_bytes_total", "Bytes committed.");
  auto& p99 = metrics.gauge("minato_journal_commit_seconds_p99", "99th percentile of the commit time since the start.");
  metrics.before_exposition([&seconds, &p99] { p99.set(seconds.quantile(0.99)); });
  JournalEvents events;
  events.committed = [&seconds, &records, &bytes](const CommitFigures& figures) {
    seconds.observe(std::chrono::duration<double>(figures.time).count());
    records.observe(static_cast<double>(figures.records));
    bytes.add(figures.bytes);
  };
  events.refused_for_good = [on_fatal](const Error& error) {
    log::alarm("journal.failed", {{"error", error}});
    if (on_fatal) on_fatal(error);
  };
  events.space_low = [](bool low) {
    if (low)
      log::alarm("disk.low", {});
    else
      log::info("disk.enough_again", {});
  };
  events.sealed = [](const SealFigures& figures) {
    log::info("journal.sealed", {{"first", figures.first.value},
                                 {"last", figures.last.value},
                                 {"raw_bytes", figures.raw_bytes},
                                 {"sealed_bytes", figures.sealed_bytes}});
  };
  events.maintenance_failed = [](const Error& error) {
    log::warning("journal.maintenance_failed", {{"error", error}});
  };
  return events;
}

Result<std::unique_ptr<Journal>> open_grown(const Config& config, JournalEvents events) {
#ifdef MINATO_HAS_POSTGRES_JOURNAL
  PostgresJournalOptions options;
  options.connection.conninfo = config.journal.postgres;
  options.events = std::move(events);
  return open_postgres_journal(options);
#else
  static_cast<void>(config);
  static_cast<void>(events);
  return fail(Errc::kRefused, "journal.kind = \"postgres\" is not in this build");
#endif
}

Result<std::unique_ptr<SegmentJournal>> open_embedded(const Config& config, JournalEvents events) {
  SegmentJournalOptions options;
  options.directory = config.data_dir + "/journal";
  options.segment_bytes = config.journal.segment_bytes;
  options.space_low_bytes = config.journal.free_bytes_min;
  options.commit_mode = config.journal.realtime ? CommitMode::kRealtimeThread : CommitMode::kAdaptive;
  options.events = std::move(events);
  return open_segment_journal(real_files(), real_clock(), std::move(options));
}

Result<std::unique_ptr<Queue>> open_queue(const Config& config) {
  if (config.journal.kind == "postgres") {
    PostgresOptions options;
    options.conninfo = config.journal.postgres;
    return open_postgres_queue(options);
  }
  const std::string path = config.data_dir + "/queue.db";
  auto queue = open_sqlite_queue(path);
  if (queue || queue.error().code != Errc::kCorrupt) return queue;
  log::alarm("queue.rebuilt", {{"error", queue.error()}});
  MN_CHECK(remove_sqlite_queue(path));
  return open_sqlite_queue(path);
}

std::shared_ptr<const FeedBook> feed_book(const Config& config) {
  std::vector<FeedEntry> entries;
  for (const FeedConfig& feed : config.feeds) {
    FeedRules rules;
    rules.source = feed.name;
    rules.default_domain = feed.domain;
    rules.utc_offset_minutes = config.utc_offset_minutes;
    entries.push_back({feed.sending_application.empty() ? "*" : feed.sending_application,
                       feed.sending_facility.empty() ? "*" : feed.sending_facility, std::move(rules)});
  }
  FeedRules otherwise;
  otherwise.utc_offset_minutes = config.utc_offset_minutes;
  return std::make_shared<FeedBook>(std::move(entries), std::move(otherwise));
}

}  // namespace

Stores::~Stores() {
  if (journal_) journal_->close();
}

Result<std::unique_ptr<Stores>> Stores::open(const Config& config, metrics::Registry& metrics, StoreHooks hooks) {
  std::unique_ptr<Stores> out(new Stores);
  MN_CHECK(real_files().make_directories(config.data_dir));
  JournalEvents events = journal_events(metrics, hooks.on_fatal);
  if (config.journal.kind == "postgres") {
    MN_TRY(grown, open_grown(config, std::move(events)));
    out->journal_ = std::move(grown);
  } else {
    MN_TRY(embedded, open_embedded(config, std::move(events)));
    out->segments_ = embedded.get();
    out->journal_ = std::move(embedded);
  }
  DerivedDatabase::Options derived;
  derived.path = config.data_dir + "/derived.db";
  derived.projections = Follower::schemas();
  derived.journal_last = out->journal_->stats().last;
  derived.journal_first = out->journal_->stats().first;
  derived.kept_path = config.data_dir + "/kept.db";
  MN_TRY(database, DerivedDatabase::open(std::move(derived)));
  out->derived_ = std::move(database);
  if (out->derived_->origin() != DerivedOrigin::kContinued) {
    log::info("derived.opened", {{"origin", log::own(name(out->derived_->origin()))}});
  }
  MN_TRY(queue, open_queue(config));
  out->queue_ = std::move(queue);
  out->feeds_ = feed_book(config);
  FollowerOptions follower;
  follower.feeds = out->feeds_;
  follower.observer = std::move(hooks.observer);
  follower.on_fatal = std::move(hooks.on_fatal);
  out->follower_ = std::make_unique<Follower>(
      FollowerContext{*out->journal_, *out->derived_, *out->queue_, out->progress_, real_clock(), metrics},
      std::move(follower));
  out->operations_ = std::make_unique<Operations>(
      OperationsContext{*out->journal_, *out->derived_, *out->queue_, out->progress_, real_clock()});
  return out;
}

}  // namespace minato
