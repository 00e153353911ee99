#include "flow/operations.h"

#include <algorithm>
#include <map>

#include "base/json_writer.h"
#include "flow/deliver_step.h"
#include "flow/process_step.h"
#include "flow/step_records.h"
#include "format/charset/charset.h"
#include "format/hl7/message.h"

namespace minato {
namespace {

constexpr auto kReadWait = std::chrono::seconds(10);
constexpr auto kCatchUpWait = std::chrono::seconds(1);
constexpr auto kApplyWait = std::chrono::seconds(30);
// Items that one redrive or discard takes at most; more are taken by asking again. Keeps the record far below its
// limit.
constexpr std::size_t kItemsPerChangeMax = 50'000;
constexpr std::size_t kPageItems = 1'000;

Deadline after(std::chrono::seconds wait) { return std::chrono::steady_clock::now() + wait; }

std::vector<std::pair<std::string, std::uint64_t>> sorted(const std::map<std::string, std::uint64_t>& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> out(counts.begin(), counts.end());
  std::ranges::sort(
      out, [](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; });
  return out;
}

std::vector<ItemRef> refs_of(const std::vector<ItemView>& items) {
  std::vector<ItemRef> out;
  out.reserve(items.size());
  for (const ItemView& item : items) out.push_back({item.item.id, item.item.origin});
  return out;
}

// The key under which the ledger knows the item's effect; empty: it has none.
std::string effect_key_of(const NewItem& item) {
  if (item.step == kMailStep) {
    const auto plan = parse_plan_json(item.args);
    return plan ? plan->key : "";
  }
  return delivery_key(item).value_or("");
}

std::string readable(const std::string& bytes) {
  const auto message = hl7::Message::view(bytes);
  if (!message) return {};
  std::string out;
  for (const hl7::Segment& segment : message->segments()) {
    out += charset::decode(message->encoding(), segment.raw());
    out += '\n';
  }
  return out;
}

}  // namespace

template <typename Reader, typename Ask>
auto Operations::read(Ask ask) const {
  using Answer = decltype(ask(std::declval<Reader&>()));
  auto connection = context_.derived.reader(after(kReadWait));
  if (!connection) return Answer(std::unexpected(connection.error()));
  Reader reader(connection->database());
  return ask(reader);
}

Result<Seq> Operations::append(RecordKind kind, std::string meta, std::string body) {
  std::vector<Record> records;
  records.push_back(Record{kind, context_.clock.now(), std::move(meta), std::move(body)});
  return context_.journal.append(std::move(records));
}

Status Operations::applied(Seq seq) const {
  if (context_.progress.wait_for(seq, after(kApplyWait), {})) return {};
  return fail(Errc::kUnavailable, "it is recorded, and will be in force when the follower has come to it");
}

Result<MessagePage> Operations::messages(const MessageFilter& filter, std::optional<Seq> before,
                                         std::size_t limit) const {
  // Whoever has just seen an acknowledgement looks for that message. Under a load that the follower cannot keep up with
  // the answer comes all the same, a little older.
  if (!before) static_cast<void>(context_.progress.wait_for(context_.journal.stats().last, after(kCatchUpWait), {}));
  return read<MessageSearch>([&](MessageSearch& search) { return search.search(filter, before, limit); });
}

Result<std::vector<MessageCount>> Operations::message_counts() const {
  return read<MessageSearch>([](MessageSearch& search) { return search.counts(); });
}

Result<MessageTrail> Operations::message(Seq seq) const {
  MessageTrail out;
  MN_TRY(row, read<MessageSearch>([&](MessageSearch& search) { return search.get(seq); }));
  MN_TRY(entries, context_.journal.read(seq, {.records_max = 1}));
  if (entries.empty()) return fail(Errc::kNotFound, "the message is not in the journal");
  out.message = std::move(row);
  out.meta = entries.front().record.meta;
  out.text = readable(entries.front().record.body);
  ItemFilter about;
  about.origin = seq;
  MN_TRY(items, context_.queue.items(about, {}, kPageItems));
  out.items = std::move(items);
  EffectFilter left;
  left.origin = seq;
  MN_TRY(page, effects(left, {}, kPageItems));
  out.effects = std::move(page.rows);
  return out;
}

Result<std::string> Operations::message_bytes(Seq seq) const {
  MN_TRY(entries, context_.journal.read(seq, {.records_max = 1}));
  if (entries.empty() || entries.front().seq != seq) return fail(Errc::kNotFound, "no such message");
  const RecordKind kind = entries.front().record.kind;
  if (kind != RecordKind::kHl7Received && kind != RecordKind::kHl7Refused) {
    return fail(Errc::kNotFound, "this record is no message");
  }
  return std::move(entries.front().record.body);
}

Result<Seq> Operations::resubmit(Seq seq, std::string bytes, std::string_view by) {
  MN_TRY(before, message_bytes(seq));
  if (before == bytes) return fail(Errc::kRefused, "nothing was changed: redrive the dead letter instead");
  const auto message = hl7::Message::view(bytes);
  if (!message) return context("the edited message", message.error());
  std::string meta;
  JsonWriter(meta).begin_object().member("edited_from", seq.value).member("by", by).member("ack", "").end_object();
  MN_TRY(made, append(RecordKind::kHl7Received, std::move(meta), std::move(bytes)));
  MN_CHECK(applied(made));
  // The copy takes over: a redrive of the old one would have the same effects once more, and a parked merge would go on
  // holding its lanes.
  ItemFilter old;
  old.origin = seq;
  MN_TRY(dropped, discard(old, by, "edited: goes on as message " + std::to_string(made.value)));
  static_cast<void>(dropped);
  return made;
}

Result<QueueStats> Operations::queue_stats() const { return context_.queue.stats(); }

Result<std::vector<ItemView>> Operations::items(const ItemFilter& filter, std::optional<ItemId> after_item,
                                                std::size_t limit) const {
  return context_.queue.items(filter, after_item, limit);
}

Result<std::vector<ItemView>> Operations::parked(ItemFilter filter) const {
  filter.state = ItemState::kParked;
  std::vector<ItemView> out;
  std::optional<ItemId> last;
  while (out.size() < kItemsPerChangeMax) {
    MN_TRY(page, context_.queue.items(filter, last, std::min(kPageItems, kItemsPerChangeMax - out.size())));
    if (page.empty()) break;
    last = page.back().item.id;
    std::ranges::move(page, std::back_inserter(out));
  }
  return out;
}

Result<RedrivePreview> Operations::redrive_preview(ItemFilter filter) const {
  MN_TRY(items, parked(std::move(filter)));
  RedrivePreview out;
  std::map<std::string, std::uint64_t> steps, reasons;
  auto connection = context_.derived.reader(after(kReadWait));
  if (!connection) return std::unexpected(connection.error());
  EffectLedger ledger(connection->database());
  for (const ItemView& item : items) {
    ++out.items;
    ++steps[item.item.step];
    ++reasons[item.parked_reason.substr(0, item.parked_reason.find(':'))];
    if (item.parked_at) {
      out.oldest = std::min(out.oldest.value_or(*item.parked_at), *item.parked_at);
      out.newest = std::max(out.newest.value_or(*item.parked_at), *item.parked_at);
    }
    const std::string key = effect_key_of(item.item);
    if (key.empty()) continue;
    MN_TRY(effect, ledger.find(key));
    if (!effect) continue;
    if (effect->state == EffectState::kDone) ++out.effects_done;
    if (effect->state == EffectState::kIntended || effect->state == EffectState::kUncertain) ++out.effects_uncertain;
  }
  out.steps = sorted(steps);
  out.reasons = sorted(reasons);
  return out;
}

Result<std::uint64_t> Operations::redrive(ItemFilter filter, std::uint32_t per_second, std::string_view by) {
  MN_TRY(items, parked(std::move(filter)));
  if (items.empty()) return 0;
  MN_TRY(seq, append(RecordKind::kRedrive, to_json(RedriveMeta{refs_of(items), per_second, std::string(by)})));
  MN_CHECK(applied(seq));
  return items.size();
}

Result<std::uint64_t> Operations::discard(ItemFilter filter, std::string_view by, std::string_view reason) {
  MN_TRY(items, parked(std::move(filter)));
  if (items.empty()) return 0;
  MN_TRY(seq, append(RecordKind::kDiscard, to_json(DiscardMeta{refs_of(items), std::string(by), std::string(reason)})));
  MN_CHECK(applied(seq));
  return items.size();
}

Result<std::vector<Patient>> Operations::find_patients(std::string_view text, std::size_t limit) const {
  return read<PatientRegistry>([&](PatientRegistry& registry) -> Result<std::vector<Patient>> {
    MN_TRY(ids, registry.find_by_value(text, limit));
    if (ids.empty() && !text.empty()) {
      MN_TRY(named, registry.find({.name = std::string(text), .birth_date = {}, .sex = {}}, limit));
      ids = std::move(named);
    }
    std::vector<Patient> out;
    for (const PatientId id : ids) {
      MN_TRY(patient, registry.get(id));
      out.push_back(std::move(patient));
    }
    return out;
  });
}

Result<Patient> Operations::patient(PatientId id) const {
  return read<PatientRegistry>([&](PatientRegistry& registry) { return registry.get(id); });
}

Result<std::vector<PatientHistoryEntry>> Operations::patient_history(PatientId id, std::size_t limit) const {
  return read<PatientRegistry>([&](PatientRegistry& registry) { return registry.history(id, {}, limit); });
}

Result<std::vector<Provider>> Operations::providers(std::string_view after_code, std::size_t limit) const {
  return read<ProviderRegistry>([&](ProviderRegistry& registry) { return registry.list(after_code, limit); });
}

Result<Provider> Operations::provider(std::string_view code) const {
  return read<ProviderRegistry>([&](ProviderRegistry& registry) { return registry.by_code(code); });
}

Result<std::uint64_t> Operations::import_registry(std::string_view what, std::string body, std::string_view by) {
  if (what == "providers") {
    const auto parsed = parse_provider_csv(body);
    if (!parsed) return std::unexpected(parsed.error());
  } else if (what == "patients") {
    const auto parsed = parse_patient_csv(body);
    if (!parsed) return std::unexpected(parsed.error());
  } else {
    return fail(Errc::kRefused, "only patients and providers can be imported");
  }
  std::string meta;
  JsonWriter(meta).begin_object().member("what", what).member("by", by).end_object();
  MN_TRY(seq, append(RecordKind::kRegistryImport, std::move(meta), std::move(body)));
  MN_CHECK(applied(seq));
  MN_TRY(log, registry_log(next(seq), 1));
  if (log.empty() || log.front().seq != seq)
    return fail(Errc::kUnavailable, "the import is recorded but not in the registry log");
  if (!log.front().applied) return fail(Errc::kRefused, log.front().detail);
  return log.front().rows;
}

Result<RegistryLogEntry> Operations::change_registry(std::string meta) {
  MN_TRY(seq, append(RecordKind::kRegistryChange, std::move(meta)));
  MN_CHECK(applied(seq));
  MN_TRY(log, registry_log(next(seq), 1));
  if (log.empty() || log.front().seq != seq)
    return fail(Errc::kUnavailable, "the change is recorded but not in the registry log");
  if (!log.front().applied) return fail(Errc::kRefused, log.front().detail);
  return log.front();
}

Result<std::vector<RegistryLogEntry>> Operations::registry_log(std::optional<Seq> before, std::size_t limit) const {
  auto connection = context_.derived.reader(after(kReadWait));
  if (!connection) return std::unexpected(connection.error());
  return read_registry_log(connection->database(), before, limit);
}

Result<EffectPage> Operations::effects(const EffectFilter& filter, std::optional<std::int64_t> before,
                                       std::size_t limit) const {
  return read<EffectLedger>([&](EffectLedger& ledger) { return ledger.query(filter, before, limit); });
}

Result<std::vector<FeedTotals>> Operations::feeds() const {
  auto connection = context_.derived.reader(after(kReadWait));
  if (!connection) return std::unexpected(connection.error());
  return read_feeds(connection->database());
}

Result<std::vector<FeedSilence>> Operations::silences() const {
  auto connection = context_.derived.reader(after(kReadWait));
  if (!connection) return std::unexpected(connection.error());
  return read_silences(connection->database(), context_.clock.now());
}

Status Operations::note_access(std::string_view who, std::string_view what, std::string_view which) {
  std::string meta;
  JsonWriter(meta).begin_object().member("who", who).member("what", what).member("which", which).end_object();
  MN_TRY(seq, append(RecordKind::kAccess, std::move(meta)));
  static_cast<void>(seq);
  return {};
}

Status Operations::note_action(std::string_view who, std::string_view action, std::string_view detail) {
  std::string meta;
  JsonWriter(meta).begin_object().member("by", who).member("action", action).member("detail", detail).end_object();
  MN_TRY(seq, append(RecordKind::kOperatorAction, std::move(meta)));
  static_cast<void>(seq);
  return {};
}

}  // namespace minato
