#include "record/effects.h"

#include "store/sql/sqlite.h"

namespace minato {
namespace {

Time at(int minutes) { return *from_rfc3339("2026-11-24T00:00:00Z") + std::chrono::minutes(minutes); }

class EffectsTest : public testing::Test {
 protected:
  EffectsTest() : db_(std::move(*Sqlite::open_writer(":memory:", {}))), writer_(*db_), ledger_(*db_) {
    EXPECT_TRUE(db_->execute(EffectWriter::schema().sql.c_str()));
  }
  static Effect mail(const std::string& key, std::uint64_t origin = 5) {
    return {.key = key,
            .kind = EffectKind::kMail,
            .origin = Seq{origin},
            .destination = "a@clinic.example",
            .provider = ProviderId{3},
            .patient = PatientId{8},
            .event = "admission"};
  }
  static Effect with(Effect effect, EffectState state, const std::string& detail = {}) {
    effect.state = state;
    effect.detail = detail;
    return effect;
  }
  Effect found(const std::string& key) { return ledger_.find(key)->value(); }

  std::unique_ptr<Sqlite> db_;
  EffectWriter writer_;
  EffectLedger ledger_;
};

TEST_F(EffectsTest, AnIntentAndItsOutcomeAreOneRow) {
  EXPECT_FALSE(ledger_.find("mail|1")->has_value());
  ASSERT_TRUE(writer_.intend(mail("mail|1"), Seq{10}, at(1)));
  EXPECT_EQ(found("mail|1").state, EffectState::kIntended);
  EXPECT_EQ(found("mail|1").intent_seq, Seq{10});
  EXPECT_FALSE(found("mail|1").outcome_seq.has_value());
  ASSERT_TRUE(writer_.settle(with(mail("mail|1"), EffectState::kDone, "250"), Seq{11}, at(2)));
  const auto effect = found("mail|1");
  EXPECT_EQ(effect.state, EffectState::kDone);
  EXPECT_EQ(effect.detail, "250");
  EXPECT_EQ(effect.intent_time, at(1));
  EXPECT_EQ(effect.outcome_time, at(2));
  EXPECT_EQ(effect.destination, "a@clinic.example");
  EXPECT_EQ(effect.provider, ProviderId{3});
  EXPECT_EQ(effect.patient, PatientId{8});
  EXPECT_EQ(effect.event, "admission");
  EXPECT_EQ(effect.origin, Seq{5});
  EXPECT_EQ(ledger_.query({}, {}, 10)->rows.size(), 1U);
}

TEST_F(EffectsTest, DoneIsFinal) {
  ASSERT_TRUE(writer_.settle(with(mail("k"), EffectState::kDone), Seq{1}, at(1)));
  ASSERT_TRUE(writer_.intend(mail("k"), Seq{2}, at(2)));
  ASSERT_TRUE(writer_.settle(with(mail("k"), EffectState::kFailed), Seq{3}, at(3)));
  EXPECT_EQ(found("k").state, EffectState::kDone);
  EXPECT_EQ(found("k").outcome_seq, Seq{1});
  EXPECT_FALSE(found("k").intent_seq.has_value());
}

TEST_F(EffectsTest, WhatFailedOrIsUncertainMayBeTriedAgain) {
  ASSERT_TRUE(writer_.settle(with(mail("k"), EffectState::kUncertain), Seq{1}, at(1)));
  ASSERT_TRUE(writer_.intend(mail("k"), Seq{2}, at(2)));
  EXPECT_EQ(found("k").state, EffectState::kIntended);
  ASSERT_TRUE(writer_.settle(with(mail("k"), EffectState::kFailed), Seq{3}, at(3)));
  EXPECT_EQ(found("k").state, EffectState::kFailed);
  ASSERT_TRUE(writer_.settle(with(mail("k"), EffectState::kDone), Seq{4}, at(4)));
  EXPECT_EQ(found("k").state, EffectState::kDone);
}

TEST_F(EffectsTest, OneRecordMaySettleSeveralEffects) {
  for (const char* key : {"a", "b", "c"})
    ASSERT_TRUE(writer_.settle(with(mail(key), EffectState::kDone), Seq{7}, at(1)));
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ(found(key).outcome_seq, Seq{7});
  EXPECT_EQ(ledger_.query({}, {}, 10)->rows.size(), 3U);
}

TEST_F(EffectsTest, WhoWasToldOfWhatAndWhen) {
  for (int i = 1; i <= 20; ++i) {
    Effect effect = mail("k" + std::to_string(i), static_cast<std::uint64_t>(i));
    effect.provider = ProviderId{i % 2 + 1};
    effect.patient = PatientId{i % 5};  // 0: none
    effect.kind = i % 4 == 0 ? EffectKind::kForward : EffectKind::kMail;
    ASSERT_TRUE(writer_.settle(with(effect, i % 10 == 0 ? EffectState::kFailed : EffectState::kDone),
                               Seq{static_cast<std::uint64_t>(100 + i)}, at(i)));
  }
  const auto count = [&](const EffectFilter& filter) { return ledger_.query(filter, {}, 100)->rows.size(); };
  EXPECT_EQ(count({}), 20U);
  EXPECT_EQ(count({.origin = Seq{4}}), 1U);
  EXPECT_EQ(count({.provider = ProviderId{1}}), 10U);
  EXPECT_EQ(count({.patient = PatientId{2}}), 4U);
  EXPECT_EQ(count({.patient = PatientId{0}}), 0U);
  EXPECT_EQ(count({.kind = EffectKind::kForward}), 5U);
  EXPECT_EQ(count({.state = EffectState::kFailed}), 2U);
  EXPECT_EQ(count({.state = EffectState::kDone}), 18U);
  EXPECT_EQ(count({.from = at(5), .to = at(8)}), 3U);
  EXPECT_EQ(count({.provider = ProviderId{1}, .kind = EffectKind::kMail, .from = at(3)}), 4U);
  const auto newest = ledger_.query({}, {}, 1)->rows;
  EXPECT_EQ(newest.at(0).key, "k20");
}

TEST_F(EffectsTest, PagesHaveEveryEffectOnce) {
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(writer_.intend(mail("k" + std::to_string(i)), Seq{1}, at(i)));
  std::optional<std::int64_t> before;
  std::vector<std::string> keys;
  do {
    const auto page = *ledger_.query({.state = EffectState::kIntended}, before, 10);
    for (const auto& effect : page.rows) keys.push_back(effect.key);
    before = page.next;
  } while (before);
  ASSERT_EQ(keys.size(), 25U);
  EXPECT_EQ(keys.front(), "k24");
  EXPECT_EQ(keys.back(), "k0");
}

TEST_F(EffectsTest, AnEffectComesBackFromItsJson) {
  const Effect effect = with(mail("mail|\"x\""), EffectState::kUncertain, "451");
  const auto read = parse_effect_json(effect_json(effect));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->key, effect.key);
  EXPECT_EQ(read->kind, effect.kind);
  EXPECT_EQ(read->state, effect.state);
  EXPECT_EQ(read->origin, effect.origin);
  EXPECT_EQ(read->destination, effect.destination);
  EXPECT_EQ(read->provider, effect.provider);
  EXPECT_EQ(read->patient, effect.patient);
  EXPECT_EQ(read->event, effect.event);
  EXPECT_EQ(read->detail, effect.detail);
  EXPECT_FALSE(parse_effect_json(R"({"key":"k","kind":"pigeon","origin":1})"));
  EXPECT_FALSE(parse_effect_json(R"({"kind":"mail","origin":1})"));
}

}  // namespace
}  // namespace minato
