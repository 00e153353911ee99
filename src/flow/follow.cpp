#include "flow/follow.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "format/hl7/escape.h"
#include "format/hl7/header.h"

namespace minato {
namespace {

constexpr auto kWait = std::chrono::seconds(1);
// Rows of the index that one batch removes after a purge, so that a purge of millions never holds up new messages.
constexpr std::size_t kPurgeRowsPerBatch = 20'000;

std::string without_port(const std::string& peer) {
  const std::size_t colon = peer.rfind(':');
  return colon == std::string::npos ? peer : peer.substr(0, colon);
}

MessageStatus initial_status(const Entry& entry, const EntryPlan& plan) {
  if (entry.record.kind == RecordKind::kHl7Refused) return MessageStatus::kRefused;
  return plan.lanes.empty() ? MessageStatus::kDone : MessageStatus::kQueued;
}

// A message that cannot be split is found by its header all the same.
void index_header(std::string_view bytes, IndexedMessage& row) {
  const auto header = hl7::peek_header(bytes);
  if (!header) return;
  const auto text = [&](std::string_view raw) {
    return hl7::decode_text(raw, {.delimiters = header->delimiters, .encoding = header->charset.used});
  };
  row.sender_application = text(header->component(3, 1));
  row.sender_facility = text(header->component(4, 1));
  row.message_type = text(header->message_type());
  row.trigger = text(header->trigger_event());
  row.control_id = text(header->control_id());
}

IndexedMessage indexed(const Entry& entry, const EntryPlan& plan) {
  IndexedMessage row;
  row.seq = entry.seq;
  row.received = entry.record.time;
  row.bytes = entry.record.body.size();
  row.listener = plan.received->listener;
  row.peer = without_port(plan.received->peer);
  row.ack = plan.received->ack;
  row.warnings = plan.received->warnings;
  row.edited_from = plan.received->edited_from;
  row.status = initial_status(entry, plan);
  row.items.open = plan.lanes.empty() ? 0 : 1;
  if (!plan.message) {
    index_header(entry.record.body, row);
    return row;
  }
  const hl7::Segment msh = plan.message->segment("MSH");
  row.sender_application = msh.field(3).component(1).text();
  row.sender_facility = msh.field(4).component(1).text();
  row.message_type = msh.field(9).component(1).text();
  row.trigger = msh.field(9).component(2).text();
  row.control_id = msh.field(10).text();
  MessageIds ids = read_message_ids(*plan.message);
  row.patient_ids = std::move(ids.patient_ids);
  row.encounter_ids = std::move(ids.encounter_ids);
  row.order_ids = std::move(ids.order_ids);
  return row;
}

}  // namespace

struct Follower::Projections {
  explicit Projections(Sqlite& writer)
      : index(writer), activity(writer), patients(writer), providers(writer), effects(writer) {}
  MessageIndex index;
  FeedActivity activity;
  PatientWriter patients;
  ProviderWriter providers;
  EffectWriter effects;
  std::optional<Seq> purging;  // rows up to here are being removed, some with each batch
};

std::vector<ProjectionSchema> Follower::schemas() {
  return {MessageIndex::schema(),   FeedActivity::schema(), PatientWriter::schema(),
          ProviderWriter::schema(), EffectWriter::schema(), registry_log_schema()};
}

Follower::Follower(const FollowerContext& context, FollowerOptions options)
    : context_(context),
      options_(std::move(options)),
      projections_(std::make_unique<Projections>(context.derived.writer())),
      applied_(context.metrics.counter("minato_follower_records_total", "Journal records applied.")),
      unreadable_(context.metrics.counter("minato_follower_unreadable_total",
                                          "Journal records that nothing could be made of.")),
      lag_(context.metrics.gauge("minato_follower_lag_records", "Journal records not yet applied.")) {
  context_.derived.enlist(projections_->index);
  context_.derived.enlist(projections_->activity);
  // A purge whose rows were not all removed before the last stop goes on.
  if (const Seq first = context_.journal.stats().first; first > Seq{1}) projections_->purging = Seq{first.value - 1};
}

Follower::~Follower() = default;

Result<Seq> Follower::position() {
  MN_TRY(queue, context_.queue.position());
  const Seq applied = std::min(queue, context_.derived.position());
  // What purged records made of the registries and the ledger is in the kept tables (DerivedDatabase::keep): begin with
  // the oldest record that is left.
  return std::max(applied, Seq{context_.journal.stats().first.value - 1});
}

Status Follower::catch_up(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    MN_TRY(more, step());
    if (!more) return {};
  }
  return {};
}

void Follower::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto more = step();
    if (!more && more.error().code != Errc::kRetry && more.error().code != Errc::kUnavailable) {
      log::alarm("follower.stopped", {{"error", more.error()}});
      if (options_.on_fatal) options_.on_fatal(more.error());
      return;
    }
    if (!more) log::warning("follower.waits", {{"error", more.error()}});
    if (more && *more) continue;
    context_.journal.wait_past(context_.progress.position(), std::chrono::steady_clock::now() + kWait);
  }
}

Result<bool> Follower::step() {
  MN_TRY(from, position());
  MN_TRY(entries, context_.journal.read(next(from), {.records_max = options_.records_max}));
  lag_.set(static_cast<double>(context_.journal.stats().last.value - from.value));
  if (entries.empty()) {
    context_.progress.advance(from);
    return false;
  }
  std::vector<EntryPlan> plans;
  plans.reserve(entries.size());
  for (const Entry& entry : entries) {
    plans.push_back(plan_entry(entry));
    if (plans.back().unreadable.empty()) continue;
    unreadable_.add();
    log::alarm("follower.unreadable", {{"seq", entry.seq.value}, {"error", log::own(plans.back().unreadable)}});
  }
  MN_CHECK(apply_derived(entries, plans));
  MN_CHECK(apply_queue(entries, plans));
  if (options_.observer) options_.observer(entries);
  applied_.add(entries.size());
  context_.progress.advance(entries.back().seq);
  return true;
}

Status Follower::apply_derived(std::span<const Entry> entries, std::span<const EntryPlan> plans) {
  const Seq done = context_.derived.position();
  if (entries.back().seq <= done) return {};
  MN_CHECK(context_.derived.begin());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].seq <= done || !plans[i].unreadable.empty()) continue;
    if (Status status = apply_one(entries[i], plans[i]); !status) {
      context_.derived.rollback();
      return context("apply record " + std::to_string(entries[i].seq.value), status.error());
    }
  }
  if (projections_->purging) {
    auto purged = projections_->index.purge(*projections_->purging, kPurgeRowsPerBatch);
    if (!purged) {
      context_.derived.rollback();
      return std::unexpected(purged.error());
    }
    if (*purged) projections_->purging.reset();
  }
  return context_.derived.commit(entries.back().seq);
}

Status Follower::apply_one(const Entry& entry, const EntryPlan& plan) {
  switch (entry.record.kind) {
    case RecordKind::kHl7Received:
    case RecordKind::kHl7Refused:
      return apply_message(entry, plan);
    case RecordKind::kHl7Duplicate:
      return {};
    case RecordKind::kRegistryImport:
    case RecordKind::kRegistryChange:
      if (is_kept(entry.seq)) return {};
      MN_CHECK(projections_->patients.apply(entry));
      return projections_->providers.apply(entry);
    case RecordKind::kPurge: {
      const auto through = parse_purge(entry.record.meta);
      if (through) projections_->purging = *through;
      return {};
    }
    default:
      return apply_outcome(entry, plan);
  }
}

Status Follower::apply_message(const Entry& entry, const EntryPlan& plan) {
  const IndexedMessage row = indexed(entry, plan);
  MN_CHECK(projections_->index.add(row));
  if (row.edited_from) MN_CHECK(projections_->index.mark_edited(*row.edited_from));
  const FeedEvent event = row.status == MessageStatus::kRefused ? FeedEvent::kRefused : FeedEvent::kAccepted;
  const FeedKey feed{row.listener, row.sender_application, row.sender_facility};
  MN_CHECK(projections_->activity.note(feed, entry.seq, row.received, row.bytes, event));
  if (!plan.received->authoritative || !plan.message || entry.record.kind != RecordKind::kHl7Received) return {};
  if (is_kept(entry.seq)) return {};
  for (const PatientEvent& change :
       read_patient_events(*plan.message, options_.feeds->rules_of(*plan.message), entry.record.time)) {
    MN_TRY(applied, projections_->patients.apply(change, entry.seq));
    if (applied.outcome == PatientOutcome::kApplied) continue;
    log::info("registry.event", {{"seq", entry.seq.value}, {"outcome", log::own(name(applied.outcome))}});
  }
  return {};
}

Status Follower::apply_outcome(const Entry& entry, const EntryPlan& plan) {
  MessageIndex& index = projections_->index;
  EffectWriter& effects = projections_->effects;
  const Time at = entry.record.time;
  const auto settle = [&](const std::vector<Effect>& settled) -> Status {
    if (is_kept(entry.seq)) return {};
    for (const Effect& effect : settled) MN_CHECK(effects.settle(effect, entry.seq, at));
    return {};
  };
  if (const auto* outcome = std::get_if<OutcomeMeta>(&plan.step)) {
    const auto children = static_cast<std::int32_t>(outcome->children.size());
    MN_CHECK(index.change_items(outcome->origin, {.open = children - 1, .done = 1}));
    for (const ItemRef& ref : outcome->also) MN_CHECK(index.change_items(ref.origin, {.open = -1, .done = 1}));
    MN_CHECK(settle(outcome->effects));
  } else if (const auto* parked = std::get_if<ParkedMeta>(&plan.step)) {
    const auto children = static_cast<std::int32_t>(parked->children.size());
    MN_CHECK(index.change_items(parked->origin, {.open = children - 1, .parked = 1}));
    MN_CHECK(settle(parked->effects));
  } else if (const auto* failed = std::get_if<AttemptFailedMeta>(&plan.step)) {
    MN_CHECK(settle(failed->effects));
  } else if (const auto* intent = std::get_if<IntentMeta>(&plan.step)) {
    if (!is_kept(entry.seq)) MN_CHECK(effects.intend(intent->effect, entry.seq, at));
  } else if (const auto* redrive = std::get_if<RedriveMeta>(&plan.step)) {
    for (const ItemRef& ref : redrive->items) MN_CHECK(index.change_items(ref.origin, {.open = 1, .parked = -1}));
  } else if (const auto* discard = std::get_if<DiscardMeta>(&plan.step)) {
    for (const ItemRef& ref : discard->items) MN_CHECK(index.change_items(ref.origin, {.parked = -1, .discarded = 1}));
  }
  return {};
}

Status Follower::apply_queue(std::span<const Entry> entries, std::span<const EntryPlan> plans) {
  MN_TRY(done, context_.queue.position());
  if (entries.back().seq <= done) return {};
  std::vector<QueueChange> changes;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].seq > done) queue_changes(entries[i], plans[i], changes);
  }
  const Status applied = context_.queue.apply(changes, done, entries.back().seq);
  // Another node applied the same records first: there is nothing left to do for these.
  if (!applied && applied.error().code == Errc::kConflict) return {};
  return applied;
}

}  // namespace minato
