#include "app/housekeeping.h"

#include "app/version.h"
#include "base/log.h"
#include "flow/step_records.h"
#include "os/files.h"

namespace minato {
namespace {

constexpr auto kMinute = std::chrono::minutes(1);
// A silence is alarming when so many messages would usually have come during it.
constexpr double kExpectedAlarming = 10;

bool matches(const std::string& pattern, const std::string& value) {
  return pattern.empty() || pattern == "*" || pattern == value;
}

}  // namespace

Housekeeping::Housekeeping(const HousekeepingContext& context)
    : context_(context),
      started_(std::chrono::steady_clock::now()),
      next_minute_(started_ + kMinute),
      silent_feeds_(context.metrics.gauge("minato_feeds_silent", "Senders that usually talk and do not.")) {
  auto& waiting = context.metrics.gauge("minato_queue_waiting", "Items that wait to run.");
  auto& parked = context.metrics.gauge("minato_queue_parked", "Dead letters.");
  auto& age = context.metrics.gauge("minato_queue_oldest_seconds", "Age of the oldest item that waits.");
  auto& disk = context.metrics.gauge("minato_journal_disk_bytes", "Bytes of the journal on disk.");
  auto& free = context.metrics.gauge("minato_disk_free_bytes", "Free bytes where the data directory is.");
  context.metrics.before_exposition([this, &waiting, &parked, &age, &disk, &free] {
    if (const auto stats = context_.stores.queue().stats()) {
      waiting.set(static_cast<double>(stats->waiting));
      parked.set(static_cast<double>(stats->parked));
      const Time now = context_.clock.now();
      age.set(std::chrono::duration<double>(now - stats->oldest_waiting.value_or(now)).count());
    }
    disk.set(static_cast<double>(context_.stores.journal().stats().disk_bytes));
    if (const auto space = real_files().space(context_.config.data_dir))
      free.set(static_cast<double>(space->free_bytes));
  });
}

void Housekeeping::tick() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_minute_) return;
  next_minute_ = now + kMinute;
  watch_feeds();
  retain();
}

void Housekeeping::watch_feeds() {
  const auto silences = context_.stores.operations().silences();
  if (!silences) return log::warning("feeds.unknown", {{"error", silences.error()}});
  std::set<std::string> silent;
  for (const FeedSilence& silence : *silences) {
    bool alarming = silence.expected >= kExpectedAlarming;
    for (const FeedConfig& feed : context_.config.feeds) {
      const bool same = matches(feed.sending_application, silence.feed.sender_application) &&
                        matches(feed.sending_facility, silence.feed.sender_facility);
      if (same && feed.silent_after.count() > 0) alarming = silence.silent > feed.silent_after;
    }
    if (!alarming) continue;
    const std::string name =
        silence.feed.listener + "/" + silence.feed.sender_application + "|" + silence.feed.sender_facility;
    silent.insert(name);
    if (silent_.contains(name)) continue;
    log::alarm("feed.silent",
               {{"feed", log::own(name)}, {"silent_ms", silence.silent}, {"usual_gap_ms", silence.usual_gap}});
  }
  for (const std::string& name : silent_) {
    if (!silent.contains(name)) log::info("feed.talks_again", {{"feed", log::own(name)}});
  }
  silent_ = std::move(silent);
  silent_feeds_.set(static_cast<double>(silent_.size()));
}

// Records older than the retention go, as far as whole segments and unfinished work allow.
void Housekeeping::retain() {
  if (context_.config.retention_days == 0) return;
  const Time oldest_kept = context_.clock.now() - std::chrono::days(context_.config.retention_days);
  MessageFilter filter;
  filter.to = oldest_kept;
  const auto page = context_.stores.operations().messages(filter, {}, 1);
  if (!page || page->rows.empty()) return;
  const auto purged = purge(page->rows.front().seq, "retention", "older than retention_days");
  if (!purged) log::warning("retention.failed", {{"error", purged.error()}});
}

void Housekeeping::write_status(JsonWriter& json) const {
  const JournalStats stats = context_.stores.journal().stats();
  const Seq applied = context_.stores.progress().position();
  json.key("journal").begin_object().member("first", stats.first.value).member("last", stats.last.value);
  json.member("applied", applied.value).member("disk_bytes", stats.disk_bytes).member("commits", stats.commits);
  json.member("records", stats.records).end_object();
  const auto up = std::chrono::steady_clock::now() - started_;
  json.member("version", kVersion).member("uptime_s", std::chrono::duration_cast<std::chrono::seconds>(up).count());
}

Status Housekeeping::backup(const std::string& directory) {
  if (context_.stores.segments() == nullptr) {
    return fail(Errc::kRefused, "with PostgreSQL the database's own backup holds everything (pg_basebackup, pg_dump)");
  }
  MN_TRY(report, context_.stores.segments()->backup(real_files(), directory));
  log::info("backup.done", {{"through", report.last.value}, {"bytes", report.bytes}});
  return context_.stores.operations().note_action("admin", "backup", "through " + std::to_string(report.last.value));
}

// The first record that unfinished work still reads.
Result<Seq> Housekeeping::oldest_needed() const {
  Seq oldest = context_.stores.progress().position();
  MN_TRY(items, context_.stores.queue().items({}, {}, 1));
  // Items are ordered by the record that made them, which is never older than their message.
  for (const ItemView& item : items) oldest = std::min(oldest, Seq{item.item.origin.value - 1});
  return oldest;
}

Result<Seq> Housekeeping::purge(Seq through, std::string_view by, std::string_view reason) {
  MN_TRY(needed, oldest_needed());
  const Seq allowed = std::min(through, needed);
  // The registries and the ledger outlive the records that made them.
  if (context_.stores.derived().position() < allowed) return fail(Errc::kRetry, "the projections are behind");
  MN_CHECK(context_.stores.derived().keep());
  MN_TRY(gone, context_.stores.journal().purge(allowed));
  if (gone.value == 0) return gone;
  MN_TRY(seq, context_.stores.journal().append(
                  {Record{RecordKind::kPurge, context_.clock.now(), purge_json(gone, by, reason), {}}}));
  log::info("journal.purged", {{"through", gone.value}, {"record", seq.value}});
  return gone;
}

}  // namespace minato
