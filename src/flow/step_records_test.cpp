#include "flow/step_records.h"

#include <gtest/gtest.h>

namespace minato {
namespace {

constexpr ItemId kItem{Seq{42}, 3};

Effect mail_effect() {
  Effect effect;
  effect.key = "k";
  effect.kind = EffectKind::kMail;
  effect.origin = Seq{40};
  effect.destination = "dr1";
  effect.event = "admission";
  effect.state = EffectState::kDone;
  effect.detail = "250";
  return effect;
}

TEST(StepRecords, AnOutcomeComesBackWhole) {
  OutcomeMeta meta;
  meta.item = kItem;
  meta.origin = Seq{40};
  meta.step = "process";
  meta.note = "two mails";
  meta.children = {{"mail", {"mail|dr1"}, R"({"event":"admission"})", from_micros(7)},
                   {"forward:lab", {"forward:lab|a"}, "{}", {}}};
  meta.also = {{ItemId{Seq{41}, 0}, Seq{39}}};
  meta.effects = {mail_effect()};
  const auto back = parse_outcome(to_json(meta));
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(back->item, kItem);
  EXPECT_EQ(back->origin, Seq{40});
  EXPECT_EQ(back->state, "done");
  ASSERT_EQ(back->children.size(), 2u);
  EXPECT_EQ(back->children[0].args, R"({"event":"admission"})");
  EXPECT_EQ(back->children[0].not_before, from_micros(7));
  EXPECT_EQ(back->children[1].lanes, std::vector<std::string>{"forward:lab|a"});
  EXPECT_EQ(back->also, meta.also);
  ASSERT_EQ(back->effects.size(), 1u);
  EXPECT_EQ(back->effects[0].detail, "250");
  EXPECT_EQ(back->effects[0].key, "k");
}

TEST(StepRecords, TheOthersComeBackWhole) {
  const auto failed =
      parse_attempt_failed(to_json(AttemptFailedMeta{kItem, Seq{40}, "mail", "time-out", from_micros(9), {}}));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->not_before, from_micros(9));
  const auto parked = parse_parked(to_json(ParkedMeta{kItem, Seq{40}, "process", "patient-unknown", "PID-3", {}, {}}));
  ASSERT_TRUE(parked);
  EXPECT_EQ(parked->reason, "patient-unknown");
  const auto intent = parse_intent(to_json(IntentMeta{kItem, Seq{40}, mail_effect()}));
  ASSERT_TRUE(intent);
  EXPECT_EQ(intent->effect.key, "k");
  const auto redrive = parse_redrive(to_json(RedriveMeta{{{kItem, Seq{40}}}, 5, "admin"}));
  ASSERT_TRUE(redrive);
  EXPECT_EQ(redrive->per_second, 5u);
  const auto discard = parse_discard(to_json(DiscardMeta{{{kItem, Seq{40}}, {kItem, Seq{41}}}, "admin", "test data"}));
  ASSERT_TRUE(discard);
  EXPECT_EQ(discard->items.size(), 2u);
}

TEST(StepRecords, WhatThisProgramNeverWroteIsCorrupt) {
  for (const char* bad : {"{}", R"({"item":"x","origin":1,"step":"a","state":"done"})",
                          R"({"item":"1.0","origin":-1,"step":"a","state":"done"})",
                          R"({"item":"1.0","origin":1,"step":"a","state":"done","children":[{}]})"}) {
    EXPECT_FALSE(parse_outcome(bad)) << bad;
  }
  EXPECT_FALSE(parse_parked(R"({"item":"1.0","origin":1,"step":"a"})"));
  EXPECT_FALSE(parse_redrive(R"({"items":[]})"));
}

}  // namespace
}  // namespace minato
