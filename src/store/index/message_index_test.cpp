#include "store/index/message_index.h"

#include <algorithm>
#include <map>
#include <random>

#include "base/limits.h"
#include "store/index/layout.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

Time at(std::int64_t seconds) { return from_micros((1'790'000'000 + seconds) * 1'000'000); }

// An index in memory: one connection writes and reads.
class MessageIndexTest : public testing::Test {
 protected:
  MessageIndexTest() : db_(std::move(*Sqlite::open_writer(":memory:", {}))), index_(*db_), search_(*db_) {
    EXPECT_TRUE(db_->execute(MessageIndex::schema().sql.c_str()));
  }
  void add(const IndexedMessage& message) {
    const auto status = index_.add(message);
    ASSERT_TRUE(status) << status.error().what;
    ASSERT_TRUE(index_.flush());
  }
  std::vector<std::uint64_t> found(const MessageFilter& filter, std::size_t limit = 1000) {
    const auto page = search_.search(filter, {}, limit);
    EXPECT_TRUE(page.has_value()) << page.error().what;
    std::vector<std::uint64_t> seqs;
    if (page) std::ranges::transform(page->rows, std::back_inserter(seqs), [](const auto& m) { return m.seq.value; });
    return seqs;
  }

  std::unique_ptr<Sqlite> db_;
  MessageIndex index_;
  MessageSearch search_;
};

IndexedMessage message(std::uint64_t seq) {
  IndexedMessage m;
  m.seq = Seq{seq};
  m.received = at(static_cast<std::int64_t>(seq));
  m.listener = "adt";
  m.sender_application = "HIS";
  m.sender_facility = "H1";
  m.message_type = "ADT";
  m.trigger = "A01";
  m.control_id = "C" + std::to_string(seq);
  m.patient_ids = {"P" + std::to_string(seq % 10)};
  m.bytes = 770;
  m.ack = "AA";
  m.items.open = 1;
  return m;
}

using Seqs = std::vector<std::uint64_t>;

TEST_F(MessageIndexTest, ARowComesBackWhole) {
  IndexedMessage m = message(12);
  m.peer = "192.0.2.7";
  m.patient_ids = {"12345", "山本-1"};
  m.encounter_ids = {"V9"};
  m.order_ids = {"A1", "F2"};
  m.warnings = {"charset-undeclared", "id-reused"};
  m.status = MessageStatus::kParked;
  m.items = {.open = 1, .parked = 2, .done = 3, .discarded = 4};
  m.edited_from = Seq{3};
  m.duplicate_of = Seq{4};
  add(m);
  const auto got = search_.get(Seq{12});
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->received, m.received);
  EXPECT_EQ(got->listener, "adt");
  EXPECT_EQ(got->peer, "192.0.2.7");
  EXPECT_EQ(got->sender_application, "HIS");
  EXPECT_EQ(got->sender_facility, "H1");
  EXPECT_EQ(got->message_type, "ADT");
  EXPECT_EQ(got->trigger, "A01");
  EXPECT_EQ(got->control_id, "C12");
  EXPECT_EQ(got->patient_ids, m.patient_ids);
  EXPECT_EQ(got->encounter_ids, m.encounter_ids);
  EXPECT_EQ(got->order_ids, m.order_ids);
  EXPECT_EQ(got->warnings, m.warnings);
  EXPECT_EQ(got->bytes, 770U);
  EXPECT_EQ(got->ack, "AA");
  EXPECT_EQ(got->status, MessageStatus::kParked);
  EXPECT_EQ(got->items, m.items);
  EXPECT_EQ(got->edited_from, Seq{3});
  EXPECT_EQ(got->duplicate_of, Seq{4});
  EXPECT_EQ(search_.get(Seq{11}).error().code, Errc::kNotFound);
}

TEST_F(MessageIndexTest, AddingARowTwiceChangesNothing) {
  add(message(5));
  IndexedMessage other = message(5);
  other.control_id = "OTHER";
  add(other);
  EXPECT_EQ(found({.control_id = "C5"}), Seqs{5});
  EXPECT_EQ(found({.control_id = "OTHER"}), Seqs{});
  EXPECT_EQ(search_.count({}, 10), 1U);
}

TEST_F(MessageIndexTest, StatusFollowsTheItemsAndIsSearchable) {
  add(message(1));
  ASSERT_TRUE(index_.change_items(Seq{1}, {.open = -1, .parked = 1}));
  EXPECT_EQ(found({.statuses = {MessageStatus::kParked}}), Seqs{});  // counters are written at the end of a batch
  ASSERT_TRUE(index_.flush());
  EXPECT_EQ(found({.statuses = {MessageStatus::kParked}}), Seqs{1});
  EXPECT_EQ(found({.statuses = {MessageStatus::kQueued}}), Seqs{});
  ASSERT_TRUE(index_.change_items(Seq{1}, {.open = 1, .parked = -1}));
  EXPECT_EQ(search_.get(Seq{1})->status, MessageStatus::kQueued);
  ASSERT_TRUE(index_.change_items(Seq{1}, {.open = -1, .done = 1}));
  EXPECT_EQ(search_.get(Seq{1})->status, MessageStatus::kDone);
  ASSERT_TRUE(index_.change_items(Seq{1}, {.discarded = 1}));
  EXPECT_EQ(search_.get(Seq{1})->status, MessageStatus::kDiscarded);
  ASSERT_TRUE(index_.mark_edited(Seq{1}));
  ASSERT_TRUE(index_.change_items(Seq{1}, {.open = 1}));
  EXPECT_EQ(search_.get(Seq{1})->status, MessageStatus::kEdited);
  ASSERT_TRUE(index_.change_items(Seq{99}, {.open = 1}));  // no such row
}

TEST_F(MessageIndexTest, CountsNeverFallBelowZero) {
  add(message(1));
  ASSERT_TRUE(index_.change_items(Seq{1}, {.open = -5}));
  EXPECT_EQ(search_.get(Seq{1})->items, ItemCounts{});
}

TEST_F(MessageIndexTest, LongAndStrangeIdentifiersAreFoundByWhatWasStored) {
  IndexedMessage m = message(1);
  const std::string longest(500, 'x');
  m.patient_ids = {longest,
                   std::string("a\x1f"
                               "b"),
                   ""};
  m.control_id = "";
  add(m);
  EXPECT_EQ(found({.patient_id = longest}), Seqs{1});
  EXPECT_EQ(found({.patient_id = "ab"}), Seqs{1});
  EXPECT_EQ(found({.patient_id = "a"}), Seqs{});
  EXPECT_EQ(found({.patient_id = ""}), Seqs{});
}

TEST_F(MessageIndexTest, AKindOfIdentifierIsNotFoundAsAnother) {
  IndexedMessage m = message(1);
  m.control_id = "1";
  m.patient_ids = {"2"};
  m.encounter_ids = {"3"};
  m.order_ids = {"4"};
  add(m);
  EXPECT_EQ(found({.control_id = "1", .patient_id = "2", .encounter_id = "3", .order_id = "4"}), Seqs{1});
  EXPECT_EQ(found({.control_id = "2"}), Seqs{});
  EXPECT_EQ(found({.patient_id = "3"}), Seqs{});
  EXPECT_EQ(found({.encounter_id = "4"}), Seqs{});
  EXPECT_EQ(found({.order_id = "1"}), Seqs{});
}

TEST_F(MessageIndexTest, TwoValuesOfOneHashAreToldApart) {
  std::map<std::uint32_t, std::string> seen;
  std::string first, second;
  for (int i = 0; first.empty(); ++i) {
    const std::string value = "H" + std::to_string(i);
    const auto [place, fresh] = seen.try_emplace(index_layout::hash_of(index_layout::KeyKind::kPatient, value), value);
    if (!fresh) first = place->second, second = value;
  }
  IndexedMessage a = message(1), b = message(2);
  a.patient_ids = {first};
  b.patient_ids = {second};
  add(a);
  add(b);
  EXPECT_EQ(found({.patient_id = first}), Seqs{1});
  EXPECT_EQ(found({.patient_id = second}), Seqs{2});
}

TEST_F(MessageIndexTest, ClockJumpsDoNotHideMessagesFromATimeRange) {
  for (std::uint64_t seq = 1; seq <= 5000; ++seq) {
    IndexedMessage m = message(seq);
    if (seq == 2500) m.received = at(1'000'000);
    if (seq == 2600) m.received = at(-1'000'000);
    ASSERT_TRUE(index_.add(m));
  }
  ASSERT_TRUE(index_.flush());
  EXPECT_EQ(found({.from = at(900'000), .to = at(1'100'000)}), Seqs{2500});
  EXPECT_EQ(found({.to = at(0)}), Seqs{2600});
  EXPECT_EQ(found({.from = at(4999), .to = at(5001)}), (Seqs{5000, 4999}));
  EXPECT_EQ(found({.from = at(10), .to = at(10)}), Seqs{});
}

TEST_F(MessageIndexTest, InventedSendersShareOneListAndAreStillFound) {
  for (std::uint64_t seq = 1; seq <= kIndexFeedsMax + 50; ++seq) {
    IndexedMessage m = message(seq);
    m.sender_application = "S" + std::to_string(seq);
    ASSERT_TRUE(index_.add(m));
  }
  ASSERT_TRUE(index_.flush());
  EXPECT_EQ(found({.sender_application = "S5"}), Seqs{5});
  EXPECT_EQ(found({.sender_application = "S" + std::to_string(kIndexFeedsMax + 50)}), Seqs{kIndexFeedsMax + 50});
  EXPECT_EQ(search_.get(Seq{kIndexFeedsMax + 50})->sender_application, "S" + std::to_string(kIndexFeedsMax + 50));
  EXPECT_EQ(search_.count({.sender_application = "S" + std::to_string(kIndexFeedsMax + 1)}, 10), 1U);
  EXPECT_EQ(search_.count({.message_type = "ADT"}, 1'000'000), kIndexFeedsMax + 50);
  EXPECT_EQ(search_.counts()->size(), kIndexFeedsMax + 1);
}

TEST_F(MessageIndexTest, CachesForgottenAfterARollbackAreReadAgain) {
  add(message(1));
  ASSERT_TRUE(db_->run("BEGIN"));
  IndexedMessage lost = message(2);
  lost.sender_application = "LOST";
  ASSERT_TRUE(index_.add(lost));
  ASSERT_TRUE(db_->run("ROLLBACK"));
  index_.forget();
  IndexedMessage kept = message(2);
  kept.sender_application = "KEPT";
  add(kept);
  EXPECT_EQ(found({.sender_application = "KEPT"}), Seqs{2});
  EXPECT_EQ(found({.sender_application = "LOST"}), Seqs{});
  EXPECT_EQ(search_.count({}, 10), 2U);
}

TEST_F(MessageIndexTest, PagesCoverEverythingOnceWhileNewMessagesArrive) {
  for (std::uint64_t seq = 1; seq <= 500; ++seq) ASSERT_TRUE(index_.add(message(seq)));
  ASSERT_TRUE(index_.flush());
  Seqs all;
  std::optional<Seq> before;
  std::uint64_t arriving = 501;
  do {
    const auto page = search_.search({.patient_id = "P3"}, before, 7);
    ASSERT_TRUE(page.has_value());
    for (const auto& m : page->rows) all.push_back(m.seq.value);
    before = page->next;
    for (int i = 0; i < 10; ++i) add(message(arriving++));
  } while (before);
  Seqs expected;
  for (std::uint64_t seq = 500; seq > 0; --seq) {
    if (seq % 10 == 3) expected.push_back(seq);
  }
  EXPECT_EQ(all, expected);
}

// Two large lists that never meet: the search gives up in time, says so, and ends when asked on.
TEST_F(MessageIndexTest, ASearchThatFindsNothingAnswersInPiecesAndComesToAnEnd) {
  for (std::uint64_t seq = 1; seq <= 60'000; ++seq) {
    IndexedMessage m = message(seq);
    m.patient_ids = {seq % 2 == 0 ? "EVEN" : "ODD"};
    m.order_ids = {seq % 2 == 0 ? "even" : "odd"};
    ASSERT_TRUE(index_.add(m));
  }
  ASSERT_TRUE(index_.flush());
  std::optional<Seq> before;
  int pages = 0;
  do {
    const auto page = search_.search({.patient_id = "EVEN", .order_id = "odd"}, before, 50);
    ASSERT_TRUE(page.has_value());
    EXPECT_TRUE(page->rows.empty());
    if (page->next && before) {
      EXPECT_LT(*page->next, *before);
    }
    before = page->next;
    ASSERT_LT(++pages, 100);
  } while (before);
  EXPECT_GT(pages, 1);
}

TEST_F(MessageIndexTest, PurgeRemovesRowsKeysAndCountersInPieces) {
  for (std::uint64_t seq = 65'000; seq < 67'000; ++seq) ASSERT_TRUE(index_.add(message(seq)));
  ASSERT_TRUE(index_.flush());
  int batches = 0;
  for (bool all = false; !all; ++batches) {
    const auto done = index_.purge(Seq{65'999}, 300);
    ASSERT_TRUE(done.has_value());
    ASSERT_TRUE(index_.flush());
    all = *done;
  }
  EXPECT_EQ(batches, 4);
  EXPECT_EQ(search_.count({}, 10'000), 1000U);
  EXPECT_EQ(search_.count({.patient_id = "P1"}, 10'000), 100U);
  EXPECT_EQ(found({.control_id = "C65999"}), Seqs{});
  EXPECT_EQ(found({.control_id = "C66000"}), Seqs{66'000});
  EXPECT_EQ(db_->query_integer("SELECT count(*) FROM message_key")->value_or(0), 2000);
  EXPECT_EQ(db_->query_integer("SELECT count(*) FROM message_group")->value_or(0), 1000);
  EXPECT_EQ(*index_.purge(Seq{100'000}, 100'000), true);
  ASSERT_TRUE(index_.flush());
  for (const char* table : {"message", "message_key", "message_group", "message_count", "message_block"}) {
    EXPECT_EQ(db_->query_integer("SELECT count(*) FROM " + std::string(table))->value_or(-1), 0) << table;
  }
}

// The index against a list of rows that is searched by walking over it.
class Model {
 public:
  explicit Model(std::uint32_t seed) : random_(seed) {}
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  IndexedMessage make() {
    IndexedMessage m = message(seq_ += 1 + below(40) * (below(10) == 0 ? 300 : 1));
    m.received = at(static_cast<std::int64_t>(seq_ + below(100)) - (below(50) == 0 ? 20'000 : 0));
    m.listener = below(2) == 0 ? "a" : "b";
    m.sender_application = "S" + std::to_string(below(4));
    m.message_type = below(3) == 0 ? "ORU" : "ADT";
    m.trigger = "A0" + std::to_string(below(3));
    m.control_id = "C" + std::to_string(below(60));
    m.patient_ids.clear();
    for (auto n = below(3); n > 0; --n) m.patient_ids.push_back("P" + std::to_string(below(12)));
    m.encounter_ids = {"V" + std::to_string(below(12))};
    m.order_ids = {"P" + std::to_string(below(12))};
    m.status = static_cast<MessageStatus>(below(kMessageStatusCount));
    rows_.push_back(m);
    return m;
  }
  MessageFilter filter() {
    MessageFilter f;
    if (below(5) == 0) f.control_id = "C" + std::to_string(below(60));
    if (below(3) == 0) f.patient_id = "P" + std::to_string(below(12));
    if (below(6) == 0) f.encounter_id = "V" + std::to_string(below(12));
    if (below(6) == 0) f.order_id = "P" + std::to_string(below(12));
    if (below(4) == 0) f.message_type = below(2) == 0 ? "ORU" : "ADT";
    if (below(6) == 0) f.trigger = "A0" + std::to_string(below(4));
    if (below(4) == 0) f.sender_application = "S" + std::to_string(below(5));
    if (below(6) == 0) f.sender_facility = "H1";
    if (below(4) == 0) f.listener = "a";
    for (std::size_t s = 0; s < kMessageStatusCount; ++s) {
      if (below(6) == 0) f.statuses.push_back(static_cast<MessageStatus>(s));
    }
    if (below(4) == 0) f.from = at(static_cast<std::int64_t>(below(seq_ + 1)));
    if (below(4) == 0) f.to = at(static_cast<std::int64_t>(below(seq_ + 1)));
    return f;
  }
  static bool has(const std::vector<std::string>& values, const std::optional<std::string>& wanted) {
    return !wanted || std::ranges::find(values, *wanted) != values.end();
  }
  static bool matches(const IndexedMessage& m, const MessageFilter& f) {
    const auto same = [](const std::optional<std::string>& wanted, const std::string& is) {
      return !wanted || *wanted == is;
    };
    return same(f.control_id, m.control_id) && has(m.patient_ids, f.patient_id) &&
           has(m.encounter_ids, f.encounter_id) && has(m.order_ids, f.order_id) &&
           same(f.message_type, m.message_type) && same(f.trigger, m.trigger) &&
           same(f.sender_application, m.sender_application) && same(f.sender_facility, m.sender_facility) &&
           same(f.listener, m.listener) && (!f.from || m.received >= *f.from) && (!f.to || m.received < *f.to) &&
           (f.statuses.empty() || std::ranges::find(f.statuses, m.status) != f.statuses.end());
  }
  Seqs search(const MessageFilter& f) const {
    Seqs all;
    for (auto m = rows_.rbegin(); m != rows_.rend(); ++m) {
      if (matches(*m, f)) all.push_back(m->seq.value);
    }
    return all;
  }
  IndexedMessage* any() { return rows_.empty() ? nullptr : &rows_[below(rows_.size())]; }
  void purge(std::uint64_t through) {
    std::erase_if(rows_, [&](const auto& m) { return m.seq.value <= through; });
  }
  std::uint64_t last() const { return seq_; }

 private:
  std::mt19937 random_;
  std::uint64_t seq_ = 0;
  std::vector<IndexedMessage> rows_;
};

TEST_F(MessageIndexTest, EverySearchAgreesWithAWalkOverAllRows) {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    Model model(seed);
    db_ = std::move(*Sqlite::open_writer(":memory:", {}));
    ASSERT_TRUE(db_->execute(MessageIndex::schema().sql.c_str()));
    MessageIndex index(*db_);
    MessageSearch search(*db_);
    for (int step = 0; step < 400; ++step) {
      ASSERT_TRUE(index.add(model.make()));
      if (model.below(3) == 0) {
        auto* row = model.any();
        ASSERT_TRUE(index.mark_edited(row->seq));
        row->status = MessageStatus::kEdited;
      }
      if (model.below(150) == 0) {
        const auto through = model.below(model.last());
        ASSERT_TRUE(index.purge(Seq{through}, 1'000'000).value_or(false));
        model.purge(through);
      }
      if (step % 4 != 0) continue;
      ASSERT_TRUE(index.flush());
      const MessageFilter filter = model.filter();
      const Seqs expected = model.search(filter);
      Seqs got;
      std::optional<Seq> before;
      const auto limit = 1 + model.below(20);
      do {
        const auto page = search.search(filter, before, limit);
        ASSERT_TRUE(page.has_value()) << page.error().what;
        for (const auto& m : page->rows) got.push_back(m.seq.value);
        before = page->next;
      } while (before);
      ASSERT_EQ(got, expected) << "seed " << seed << " step " << step;
      ASSERT_EQ(search.count(filter, 1'000'000), expected.size()) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace minato
