#include "store/queue/apply.h"

#include <algorithm>
#include <unordered_map>

#include "base/limits.h"

namespace minato {
namespace {

std::string cut(const std::string& text) {
  if (text.size() <= kQueueErrorBytesMax) return text;
  std::size_t end = kQueueErrorBytesMax;
  // Not in the middle of a UTF-8 character: its later bytes are 10xxxxxx.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

// FNV-1a, 64 bits. Two long names that share it and their front share a lane, which only makes it wait longer.
std::uint64_t digest(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

Status check_item(const NewItem& item) {
  if (item.lanes.empty() || item.lanes.size() > 2) return fail(Errc::kRefused, "queue: an item has one lane or two");
  static_assert(kQueueItemsPerRecordMax == 1u << 16);
  if (!has_key(item.id)) return fail(Errc::kTooLarge, "queue: too many items of one record, or sequence over 2^47");
  if (item.step.size() > kQueueStepBytesMax) return fail(Errc::kTooLarge, "queue: name of a step");
  if (item.args.size() > kQueueArgsBytesMax) return fail(Errc::kTooLarge, "queue: args of an item");
  return {};
}

struct ItemWork {
  enum class Fate : std::uint8_t { kSame, kNew, kChanged, kGone, kNeverStored };
  ItemRow row;
  Fate fate = Fate::kSame;
  const NewItem* created = nullptr;  // of kNew
  bool stored_attempts = false;
};

struct LaneWork {
  LaneOrder order;
  std::string name;  // of new lanes
  bool is_new = false;
  bool touched = false;
  bool head_known = true, first_parked_known = true;
  std::vector<ItemKey> let_go;  // items whose lease, if they have it, ends
  LaneLease lease;
  bool lease_known = false;

  bool empty() const { return !order.head && !order.first_parked; }
  bool has(std::int64_t flag) const { return (order.flags & flag) != 0; }
  void set(std::int64_t flag, bool value) { order.flags = value ? order.flags | flag : order.flags & ~flag; }
};

// One call of apply: loads what the changes are about, changes it in memory, one change after another, and writes it
// back, set by set.
class Batch {
 public:
  Batch(QueueTables& tables, QueueMeta& meta, StepKeys steps, Time now)
      : tables_(tables), meta_(meta), steps_(std::move(steps)), now_(now) {}

  Status load(std::span<const QueueChange> changes);
  void take(const Enqueue& change) { enqueue(change.item, change.at); }
  void take(const Finish& change);
  void take(const Fail& change);
  void take(const Park& change);
  void take(const Redrive& change);
  void take(const Discard& change);
  Status write();

 private:
  void enqueue(const NewItem& item, Time at);
  void end(ItemWork& item);
  void redrive(ItemWork& item, std::optional<Time> not_before);
  void add_attempt(ItemWork& item, Time at, const std::string& error);

  ItemWork* find(ItemId id);
  LaneWork& lane_for(const std::string& name, StepKey step);
  template <typename Each>
  void each_lane(const ItemRow& row, Each each) {
    each(lanes_.at(row.lane));
    if (row.other_lane) each(lanes_.at(*row.other_lane));
  }
  static void now_blocks(LaneWork& lane, ItemKey key);
  static void no_longer_blocks(LaneWork& lane, ItemKey key);
  static void now_parked(LaneWork& lane, ItemKey key);
  static void no_longer_parked(LaneWork& lane, ItemKey key);
  static void changed(ItemWork& item);

  Status write_items();
  Status find_fronts();
  void set_head(LaneWork& lane, const ItemRow* head);
  Status load_lanes(const std::vector<LaneKey>& keys);
  Status settle_heads();
  Status lock_leases();
  std::optional<Time> due_of(const LaneWork& lane) const;
  Status write_lanes();

  QueueTables& tables_;
  QueueMeta& meta_;
  const StepKeys steps_;
  const Time now_;
  std::map<ItemKey, ItemWork> items_;
  std::map<LaneKey, LaneWork> lanes_;
  std::unordered_map<std::string, LaneKey> lane_keys_;
  std::vector<AttemptInsert> attempts_;
};

// ---- load

void collect(const QueueChange& change, std::vector<ItemKey>& items, std::vector<std::string>& lanes) {
  const auto add_id = [&](ItemId id) {
    if (has_key(id)) items.push_back(key_of(id));
  };
  const auto add = [&](const NewItem& item) {
    add_id(item.id);
    for (const auto& name : item.lanes) lanes.push_back(stored_lane_name(name));
  };
  if (const auto* enqueue = std::get_if<Enqueue>(&change)) {
    add(enqueue->item);
  } else if (const auto* finish = std::get_if<Finish>(&change)) {
    add_id(finish->id);
    for (const auto& child : finish->children) add(child);
  } else if (const auto* failed = std::get_if<Fail>(&change)) {
    add_id(failed->id);
  } else if (const auto* park = std::get_if<Park>(&change)) {
    add_id(park->id);
  } else {
    const auto& ids =
        std::holds_alternative<Redrive>(change) ? std::get<Redrive>(change).ids : std::get<Discard>(change).ids;
    for (const ItemId id : ids) add_id(id);
  }
}

template <typename T>
void sort_unique(std::vector<T>& values) {
  std::ranges::sort(values);
  const auto rest = std::ranges::unique(values);
  values.erase(rest.begin(), rest.end());
}

Status Batch::load(std::span<const QueueChange> changes) {
  std::vector<ItemKey> keys;
  std::vector<std::string> names;
  for (const auto& change : changes) collect(change, keys, names);
  sort_unique(keys);
  sort_unique(names);
  MN_TRY(rows, tables_.items(keys));
  std::vector<LaneKey> lane_keys;
  for (auto& row : rows) {
    lane_keys.push_back(row.lane);
    if (row.other_lane) lane_keys.push_back(*row.other_lane);
    const ItemKey key = row.key;
    const bool has_attempts = row.attempts > 0;
    items_.emplace(key, ItemWork{std::move(row), ItemWork::Fate::kSame, nullptr, has_attempts});
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  MN_TRY(named, tables_.lanes_by_name(views));
  for (auto& [name, order] : named) {
    lane_keys_.emplace(name, order.key);
    LaneWork& lane = lanes_[order.key];
    lane.order = order;
  }
  return load_lanes(lane_keys);
}

Status Batch::load_lanes(const std::vector<LaneKey>& keys) {
  std::vector<LaneKey> missing;
  for (const LaneKey key : keys) {
    if (!lanes_.contains(key)) missing.push_back(key);
  }
  if (missing.empty()) return {};
  sort_unique(missing);
  MN_TRY(orders, tables_.lanes(missing));
  if (orders.size() != missing.size()) return fail(Errc::kCorrupt, "queue: an item stands in a lane that is not there");
  for (auto& order : orders) lanes_[order.key].order = order;
  return {};
}

// ---- changes

ItemWork* Batch::find(ItemId id) {
  const auto found = has_key(id) ? items_.find(key_of(id)) : items_.end();
  if (found == items_.end()) return nullptr;
  const auto fate = found->second.fate;
  return fate == ItemWork::Fate::kGone || fate == ItemWork::Fate::kNeverStored ? nullptr : &found->second;
}

LaneWork& Batch::lane_for(const std::string& name, StepKey step) {
  std::string stored = stored_lane_name(name);
  const auto [place, is_new] = lane_keys_.try_emplace(std::move(stored), meta_.next_lane);
  if (!is_new) return lanes_.at(place->second);
  LaneWork& lane = lanes_[meta_.next_lane];
  lane.order.key = meta_.next_lane++;
  lane.order.step = step;
  lane.name = place->first;
  lane.is_new = true;
  lane.touched = true;
  return lane;
}

void Batch::now_blocks(LaneWork& lane, ItemKey key) {
  if (!lane.head_known || (lane.order.head && *lane.order.head <= key)) return;
  lane.order.head = key;
  lane.touched = true;
}

void Batch::no_longer_blocks(LaneWork& lane, ItemKey key) {
  if (lane.order.head == key) lane.head_known = false;
  lane.touched = true;
}

void Batch::now_parked(LaneWork& lane, ItemKey key) {
  lane.touched = true;
  if (lane.first_parked_known && (!lane.order.first_parked || *lane.order.first_parked > key)) {
    lane.order.first_parked = key;
  }
}

void Batch::no_longer_parked(LaneWork& lane, ItemKey key) {
  lane.touched = true;
  if (lane.order.first_parked == key) lane.first_parked_known = false;
}

void Batch::changed(ItemWork& item) {
  if (item.fate == ItemWork::Fate::kSame) item.fate = ItemWork::Fate::kChanged;
}

void Batch::enqueue(const NewItem& created, Time at) {
  const ItemKey key = key_of(created.id);
  const auto [place, is_new] = items_.try_emplace(key);
  if (!is_new) return;
  ItemWork& item = place->second;
  item.fate = ItemWork::Fate::kNew;
  item.created = &created;
  item.row.key = key;
  item.row.step = steps_.find(created.step)->second;
  item.row.since = at == Time() ? now_ : at;
  item.row.not_before = created.not_before;
  item.row.lane = lane_for(created.lanes[0], item.row.step).order.key;
  // Both ids of a merge may be one: then it is nothing special.
  const LaneKey last = lane_for(created.lanes.back(), item.row.step).order.key;
  if (last != item.row.lane) item.row.other_lane = last;
  ++meta_.waiting;
  each_lane(item.row, [&](LaneWork& lane) {
    now_blocks(lane, key);
    if (item.row.other_lane && !lane.has(kLaneHasBarriers)) {
      lane.set(kLaneHasBarriers, true);
      lane.touched = true;
    }
  });
}

void Batch::end(ItemWork& item) {
  const ItemRow& row = item.row;
  each_lane(row, [&](LaneWork& lane) {
    lane.let_go.push_back(row.key);
    if (row.state != StoredState::kParked) no_longer_blocks(lane, row.key);
    if (parked(row.state)) no_longer_parked(lane, row.key);
  });
  --(parked(row.state) ? meta_.parked : meta_.waiting);
  item.fate = item.fate == ItemWork::Fate::kNew ? ItemWork::Fate::kNeverStored : ItemWork::Fate::kGone;
}

void Batch::take(const Finish& change) {
  ItemWork* item = find(change.id);
  if (item == nullptr) return;
  end(*item);
  for (const auto& child : change.children) enqueue(child, change.at);
}

void Batch::add_attempt(ItemWork& item, Time at, const std::string& error) {
  attempts_.push_back({item.row.key, ++item.row.attempts, at, cut(error)});
}

void Batch::take(const Fail& change) {
  ItemWork* item = find(change.id);
  if (item == nullptr || parked(item->row.state)) return;
  ++item->row.failures;
  item->row.not_before = change.not_before;
  add_attempt(*item, change.at, change.error);
  changed(*item);
  each_lane(item->row, [&](LaneWork& lane) {
    lane.let_go.push_back(item->row.key);
    lane.touched = true;
  });
}

void Batch::take(const Park& change) {
  ItemWork* item = find(change.id);
  if (item == nullptr || parked(item->row.state)) return;
  ItemRow& row = item->row;
  row.state = row.other_lane ? StoredState::kParkedBarrier : StoredState::kParked;
  row.parked_at = change.at;
  row.parked_reason = cut(change.reason);
  changed(*item);
  --meta_.waiting;
  ++meta_.parked;
  each_lane(row, [&](LaneWork& lane) {
    lane.let_go.push_back(row.key);
    if (row.state == StoredState::kParked) no_longer_blocks(lane, row.key);
    now_parked(lane, row.key);
  });
}

void Batch::redrive(ItemWork& item, std::optional<Time> not_before) {
  ItemRow& row = item.row;
  add_attempt(item, *row.parked_at, row.parked_reason);
  row.state = StoredState::kWaiting;
  row.not_before = not_before;
  row.receives = row.failures = 0;
  row.forgets_receives = true;
  row.parked_at.reset();
  row.parked_reason.clear();
  changed(item);
  ++meta_.waiting;
  --meta_.parked;
  each_lane(row, [&](LaneWork& lane) {
    now_blocks(lane, row.key);
    no_longer_parked(lane, row.key);
  });
}

void Batch::take(const Redrive& change) {
  std::int64_t nth = 0;
  for (const ItemId id : change.ids) {
    ItemWork* item = find(id);
    if (item == nullptr || !parked(item->row.state)) continue;
    std::optional<Time> not_before;
    if (change.per_second > 0) not_before = change.at + Duration(nth * 1'000'000 / change.per_second);
    redrive(*item, not_before);
    ++nth;
  }
}

void Batch::take(const Discard& change) {
  for (const ItemId id : change.ids) {
    ItemWork* item = find(id);
    if (item != nullptr && parked(item->row.state)) end(*item);
  }
}

// ---- write

Status Batch::write() {
  // Lanes are locked before items, as by a lease that is made at the same time: otherwise each could wait for the
  // other.
  MN_CHECK(lock_leases());
  MN_CHECK(write_items());
  MN_CHECK(find_fronts());
  MN_CHECK(settle_heads());
  MN_CHECK(lock_leases());
  return write_lanes();
}

Status Batch::write_items() {
  ItemWrites writes;
  for (auto& [key, item] : items_) {
    switch (item.fate) {
      case ItemWork::Fate::kNew:
        writes.inserts.push_back({item.row, item.created->origin, item.created->args});
        break;
      case ItemWork::Fate::kChanged:
        writes.updates.push_back(item.row);
        break;
      case ItemWork::Fate::kGone:
        writes.deletes.push_back(key);
        if (item.stored_attempts) writes.attempts_deletes.push_back(key);
        break;
      case ItemWork::Fate::kSame:
      case ItemWork::Fate::kNeverStored:
        break;
    }
  }
  for (auto& attempt : attempts_) {
    const auto fate = items_.at(attempt.item).fate;
    if (fate != ItemWork::Fate::kGone && fate != ItemWork::Fate::kNeverStored) {
      writes.attempts.push_back(std::move(attempt));
    }
  }
  return tables_.write_items(writes);
}

// What a head says about its lane. nullptr: the lane has none.
void Batch::set_head(LaneWork& lane, const ItemRow* head) {
  lane.set(kLaneIsPrimary | kLaneIsHeld, false);
  lane.order.partner.reset();
  if (head == nullptr) {
    lane.order.head.reset();
    return;
  }
  lane.order.head = head->key;
  lane.order.step = head->step;
  lane.order.since = head->since;
  lane.order.ready_from = head->not_before.value_or(Time());
  lane.set(kLaneIsHeld, parked(head->state));
  if (head->other_lane) {
    lane.order.partner = head->lane == lane.order.key ? *head->other_lane : head->lane;
    lane.set(kLaneIsPrimary, head->lane == lane.order.key);
  }
}

Status Batch::find_fronts() {
  std::vector<FrontQuery> unknown;
  for (const auto& [key, lane] : lanes_) {
    if (!lane.head_known || !lane.first_parked_known) unknown.push_back({key, lane.order.flags});
  }
  if (unknown.empty()) return {};
  MN_TRY(fronts, tables_.fronts(unknown));
  for (const auto& front : fronts) {
    LaneWork& lane = lanes_.at(front.lane);
    lane.order.first_parked = front.first_parked;
    lane.order.head.reset();
    if (front.head) {
      lane.order.head = front.head->key;
      // It may be an item that this batch does not know yet.
      items_.try_emplace(front.head->key, ItemWork{*front.head, ItemWork::Fate::kSame, nullptr, false});
    }
  }
  return {};
}

// Takes the heads' details over, and reaches the lanes that a barrier's coming or going changes elsewhere: a barrier is
// leased by its primary lane, when it heads both.
Status Batch::settle_heads() {
  std::vector<LaneKey> partners;
  for (auto& [key, lane] : lanes_) {
    if (!lane.touched) continue;
    if (lane.order.partner) partners.push_back(*lane.order.partner);
    const auto head = lane.order.head ? items_.find(*lane.order.head) : items_.end();
    if (!lane.order.head) {
      set_head(lane, nullptr);
    } else if (head != items_.end()) {
      set_head(lane, &head->second.row);
    }
    if (lane.order.partner) partners.push_back(*lane.order.partner);
  }
  MN_CHECK(load_lanes(partners));
  for (const LaneKey key : partners) lanes_.at(key).touched = true;
  // Their heads may be other barriers, whose other lanes are looked at too.
  for (const LaneKey key : std::exchange(partners, {})) {
    if (lanes_.at(key).order.partner) partners.push_back(*lanes_.at(key).order.partner);
  }
  return load_lanes(partners);
}

// Of the lanes that will be written, as far as is known yet, and of those that a barrier at the head of one of them
// also stands in.
Status Batch::lock_leases() {
  std::vector<LaneKey> keys;
  for (const auto& [key, lane] : lanes_) {
    if (!lane.touched) continue;
    keys.push_back(key);
    if (lane.order.partner && lanes_.contains(*lane.order.partner)) keys.push_back(*lane.order.partner);
  }
  std::erase_if(keys, [&](LaneKey key) { return lanes_.at(key).is_new || lanes_.at(key).lease_known; });
  if (keys.empty()) return {};
  sort_unique(keys);
  MN_TRY(leases, tables_.lock_leases(keys));
  for (const auto& lease : leases) {
    lanes_.at(lease.lane).lease = lease;
    lanes_.at(lease.lane).lease_known = true;
  }
  return {};
}

std::optional<Time> Batch::due_of(const LaneWork& lane) const {
  if (!lane.order.head || lane.has(kLaneIsHeld)) return std::nullopt;
  const Time due = std::max(lane.order.ready_from, lane.lease.until);
  if (!lane.order.partner) return due;
  const LaneWork& partner = lanes_.at(*lane.order.partner);
  if (!lane.has(kLaneIsPrimary) || partner.order.head != lane.order.head) return std::nullopt;
  return std::max(due, partner.lease.until);
}

Status Batch::write_lanes() {
  std::vector<LaneWrite> inserts, updates;
  std::vector<LaneKey> deletes, ended;
  for (auto& [key, lane] : lanes_) {
    const bool ends = lane.lease.leased && std::ranges::find(lane.let_go, *lane.lease.leased) != lane.let_go.end();
    if (!ends) continue;
    ended.push_back(key);
    lane.lease = {};
  }
  for (const auto& [key, lane] : lanes_) {
    if (!lane.touched) continue;
    if (lane.empty()) {
      if (!lane.is_new) deletes.push_back(key);
      continue;
    }
    (lane.is_new ? inserts : updates)
        .push_back({lane.order, lane.name, due_of(lane), std::ranges::binary_search(ended, key)});
  }
  meta_.lanes += static_cast<std::int64_t>(inserts.size()) - static_cast<std::int64_t>(deletes.size());
  if (!deletes.empty()) MN_CHECK(tables_.delete_lanes(deletes));
  if (!inserts.empty()) MN_CHECK(tables_.insert_lanes(inserts));
  if (!updates.empty()) MN_CHECK(tables_.update_lanes(updates));
  return {};
}

std::vector<std::string_view> steps_of(std::span<const QueueChange> changes) {
  std::vector<std::string_view> steps;
  for (const auto& change : changes) {
    if (const auto* enqueue = std::get_if<Enqueue>(&change)) steps.push_back(enqueue->item.step);
    if (const auto* finish = std::get_if<Finish>(&change)) {
      for (const auto& child : finish->children) steps.push_back(child.step);
    }
  }
  sort_unique(steps);
  return steps;
}

}  // namespace

std::string stored_lane_name(std::string_view name) {
  if (name.size() <= kQueueLaneBytesMax) return std::string(name);
  std::string stored(name.substr(0, kQueueLaneBytesMax - 17));
  stored.push_back('#');
  std::uint64_t rest = digest(name);
  for (int i = 0; i < 16; ++i, rest >>= 4) stored.push_back("0123456789abcdef"[rest & 15]);
  return stored;
}

Status check_changes(std::span<const QueueChange> changes) {
  for (const auto& change : changes) {
    if (const auto* enqueue = std::get_if<Enqueue>(&change)) MN_CHECK(check_item(enqueue->item));
    if (const auto* finish = std::get_if<Finish>(&change)) {
      for (const auto& child : finish->children) MN_CHECK(check_item(child));
    }
  }
  return {};
}

Status apply_changes(QueueTables& tables, std::span<const QueueChange> changes, Seq from, Seq to, Time now) {
  MN_TRY(meta, tables.lock_meta());
  if (meta.position != from) return fail(Errc::kConflict, "queue: the position is not the expected one");
  MN_TRY(steps, tables.steps_with(steps_of(changes)));
  Batch batch(tables, meta, std::move(steps), now);
  MN_CHECK(batch.load(changes));
  for (const auto& change : changes) {
    std::visit([&](const auto& one) { batch.take(one); }, change);
  }
  MN_CHECK(batch.write());
  meta.position = to;
  return tables.write_meta(meta);
}

}  // namespace minato
