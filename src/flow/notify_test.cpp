#include "flow/notify.h"

#include <gtest/gtest.h>

namespace minato {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

hl7::Message parsed(std::string bytes) {
  Result<hl7::Message> message = hl7::Message::parse(std::move(bytes));
  EXPECT_TRUE(message);
  return std::move(*message);
}

struct AdtText {
  std::string event = "A01", control_id = "1", recorded = "20261124140607", occurred = {}, location = "5W^501^1",
              visit = "V1";
  std::string type = "ADT";
};
hl7::Message adt(const AdtText& text) {
  return parsed("MSH|^~\\&|HIS|HOSP|MINATO|HOSP|20261124140607||" + text.type + "^" + text.event + "|" +
                text.control_id + "|P|2.5\rEVN|" + text.event + "|" + text.recorded + "||||" + text.occurred +
                "\rPID|1||100^^^HOSP\rPV1|1|I|" + text.location + "||||||||||||||||" + text.visit + "\r");
}

hl7::Message oru(const std::string& obx, const std::string& obr = "OBR|1||F1||||20261124130000",
                 std::string control_id = "1") {
  return parsed("MSH|^~\\&|LAB|HOSP|MINATO|HOSP|20261124140607||ORU^R01|" + control_id + "|P|2.5\rPID|1||100^^^HOSP\r" +
                obr + "\r" + obx + "\r");
}

Verification verified() {
  Verification out;
  out.kind = VerdictKind::kVerified;
  out.patient = PatientId{7};
  out.identifier = {"HOSP", "100"};
  return out;
}

Recipient recipient(std::int64_t id = 1) {
  Recipient out;
  out.provider.id = ProviderId{id};
  out.provider.code = "D" + std::to_string(id);
  out.provider.mails = {"d" + std::to_string(id) + "@example.org", "second@example.org"};
  out.roles = {ProviderRole::kAttending};
  return out;
}

// 2026-11-24 14:10 in Japan.
const Time kNow = *from_rfc3339("2026-11-24T05:10:00Z");

Decision decided(const hl7::Message& message, const std::vector<Recipient>& to, const NotifyRules& rules = {},
                 Time now = kNow) {
  const std::optional<Occasion> occasion = occasion_of(message, rules);
  EXPECT_TRUE(occasion);
  const Verification verdict = verified();
  return occasion ? decide(*occasion, {verdict, to, now}, rules) : Decision{};
}

std::string key_of(const hl7::Message& message, const NotifyRules& rules = {}) {
  const Decision decision = decided(message, {recipient()}, rules);
  return decision.plans.size() == 1 ? decision.plans[0].key : "none";
}

// "admission", "admission correction"; "" when nobody is told.
std::string occasion_text(const hl7::Message& message, const NotifyRules& rules = {}) {
  const std::optional<Occasion> occasion = occasion_of(message, rules);
  if (!occasion) return "";
  std::string out(name(occasion->event));
  if (occasion->kind == OccasionKind::kCorrection) out += " correction";
  if (occasion->urgent) out += " urgent";
  return out;
}

TEST(Occasion, TriggerEventsBecomeWhatPeopleAreToldOf) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"A01", "admission"},
      {"A04", "admission"},
      {"A06", "admission"},
      {"A03", "discharge"},
      {"A02", "transfer"},
      {"A11", "admission correction"},
      {"A13", "discharge correction"},
      {"A12", "transfer correction"},
      {"A08", ""},
      {"A05", ""},
      {"A40", ""},
      {"A28", ""},
      {"", ""},
  };
  for (const auto& [event, expected] : kCases) EXPECT_EQ(occasion_text(adt({.event = event})), expected) << event;
  EXPECT_EQ(occasion_text(adt({.event = "A08"}), {.updates = UpdateRule::kNotify}), "update");
  EXPECT_EQ(occasion_text(adt({.event = "A01"}), {.events = {NoticeEvent::kDischarge}}), "");
  EXPECT_EQ(occasion_text(adt({.event = "A01", .type = "BAR"})), "");
}

TEST(Occasion, ResultsAreToldWhenAFlagIsAbnormal) {
  const auto flagged = [](const std::string& flag, const std::string& status = "F") {
    return occasion_text(oru("OBX|1|NM|2345-7^Glucose^LN||412|mg/dL|70-110|" + flag + "|||" + status));
  };
  EXPECT_EQ(flagged("H"), "abnormal-result");
  EXPECT_EQ(flagged("l"), "abnormal-result");
  EXPECT_EQ(flagged("HH"), "abnormal-result urgent");
  EXPECT_EQ(flagged("AA"), "abnormal-result urgent");
  EXPECT_EQ(flagged("A~HH"), "abnormal-result urgent");
  EXPECT_EQ(flagged("N"), "");
  EXPECT_EQ(flagged(""), "");
  EXPECT_EQ(flagged("HHH"), "");
  EXPECT_EQ(flagged("H", "C"), "abnormal-result");
  EXPECT_EQ(flagged("H", "X"), "");
  EXPECT_EQ(flagged("H", "W"), "abnormal-result correction");
  EXPECT_EQ(flagged("N", "W"), "");
}

TEST(Occasion, AbnormalValuesAreKeptAsTheyStand) {
  const auto occasion = occasion_of(oru("OBX|1|NM|2345-7^Glucose^LN||412|mg/dL|70-110|HH|||F\rOBX|2|NM|x||1|||N\r"
                                        "OBX|3|CWE|600-7^Culture^LN||112283007^E. coli^SCT|||A|||F"),
                                    {});
  ASSERT_TRUE(occasion);
  ASSERT_EQ(occasion->results.size(), 2U);
  EXPECT_EQ(occasion->results[0].code_text + " " + occasion->results[0].value + occasion->results[0].units,
            "Glucose 412mg/dL");
  EXPECT_EQ(occasion->results[1].value, "E. coli");
  EXPECT_EQ(occasion->results[1].where.text(), "OBX[3]-5");
}

TEST(Plan, TheSameContentUnderANewControlIdIsTheSameNotice) {
  EXPECT_EQ(key_of(adt({.control_id = "1"})), key_of(adt({.control_id = "2"})));
  EXPECT_NE(key_of(adt({})), key_of(adt({.visit = "V2"})));
  EXPECT_NE(key_of(adt({})), key_of(adt({.recorded = "20261125090000"})));
  EXPECT_NE(key_of(adt({})), key_of(adt({.event = "A11"})));
  EXPECT_NE(key_of(adt({.event = "A01"})), key_of(adt({.event = "A04"})));
  // The instant of the event counts, not of its recording.
  EXPECT_EQ(key_of(adt({.recorded = "1", .occurred = "20261124120000"})),
            key_of(adt({.recorded = "20261124130000", .occurred = "20261124120000"})));
  EXPECT_NE(key_of(adt({.event = "A02", .location = "5W"})), key_of(adt({.event = "A02", .location = "6W"})));
}

TEST(Plan, WithoutATimeOnlyTheMessageItselfTellsTwoEventsApart) {
  EXPECT_EQ(key_of(adt({.control_id = "1", .recorded = ""})), key_of(adt({.control_id = "1", .recorded = ""})));
  EXPECT_NE(key_of(adt({.control_id = "1", .recorded = ""})), key_of(adt({.control_id = "2", .recorded = ""})));
  const std::string obx = "OBX|1|NM|2345-7^Glucose^LN||412|mg/dL|70-110|HH|||F";
  EXPECT_NE(key_of(oru(obx, "OBR|1", "1")), key_of(oru(obx, "OBR|1", "2")));
  EXPECT_EQ(key_of(oru(obx, "OBR|1||F1", "1")), key_of(oru(obx, "OBR|1||F1", "2")));
  EXPECT_NE(key_of(oru(obx, "OBR|1||F1")), key_of(oru(obx, "OBR|1||F2")));
  EXPECT_NE(key_of(oru(obx)), key_of(oru("OBX|1|NM|2345-7^Glucose^LN||413|mg/dL|70-110|HH|||F")));
}

TEST(Plan, ARegistrationAndItsUpdateAreToldOnceUnlessTheRulesSayOtherwise) {
  EXPECT_EQ(occasion_text(adt({.event = "A04"})), "admission");
  EXPECT_EQ(occasion_text(adt({.event = "A08"})), "");
  const NotifyRules rules{.updates = UpdateRule::kNotify};
  EXPECT_NE(key_of(adt({.event = "A04"}), rules), key_of(adt({.event = "A08"}), rules));
}

TEST(Plan, MessageIdsAreOpaqueAndKeyedByTheSecret) {
  const Decision decision = decided(adt({}), {recipient()}, {.message_id_domain = "hosp.example", .id_secret = "s"});
  ASSERT_EQ(decision.plans.size(), 1U);
  const MailPlan& plan = decision.plans[0];
  EXPECT_EQ(plan.notice_id.size(), 32U);
  EXPECT_EQ(plan.key, "mail:" + plan.notice_id);
  EXPECT_EQ(plan.message_id, "<" + plan.notice_id + "@hosp.example>");
  EXPECT_EQ(plan.address, "d1@example.org");
  EXPECT_NE(plan.notice_id, decided(adt({}), {recipient()}, {.id_secret = "t"}).plans[0].notice_id);
  EXPECT_NE(plan.notice_id, decided(adt({}), {recipient(2)}, {.id_secret = "s"}).plans[0].notice_id);
}

TEST(Plan, WhoIsNotToldIsSaidWithItsReason) {
  Recipient inactive = recipient(1), other_events = recipient(2), no_mail = recipient(3), wanted = recipient(4),
            wrong_role = recipient(5);
  inactive.provider.activity = Activity::kInactive;
  other_events.provider.events = {"discharge"};
  wanted.provider.events = {"discharge", "admission"};
  no_mail.provider.mails.clear();
  wrong_role.roles = {ProviderRole::kOther};
  const NotifyRules rules{.roles = {ProviderRole::kAttending}};
  const Decision decision = decided(adt({}), {inactive, other_events, no_mail, wanted, wrong_role, wanted}, rules);
  ASSERT_EQ(decision.plans.size(), 1U);
  EXPECT_EQ(decision.plans[0].provider, ProviderId{4});
  const std::vector<std::pair<ProviderId, Withheld>> expected = {{ProviderId{1}, Withheld::kInactive},
                                                                 {ProviderId{2}, Withheld::kEventNotWanted},
                                                                 {ProviderId{3}, Withheld::kNoAddress},
                                                                 {ProviderId{5}, Withheld::kRoleNotTold}};
  EXPECT_EQ(decision.withheld, expected);
}

TEST(Plan, APatientWhoRefusedIsNobodysNews) {
  Verification verdict = verified();
  verdict.notifications_refused = true;
  const Decision decision = decide(*occasion_of(adt({}), {}), {verdict, {recipient()}, kNow}, {});
  EXPECT_TRUE(decision.plans.empty());
  ASSERT_EQ(decision.withheld.size(), 1U);
  EXPECT_EQ(decision.withheld[0].second, Withheld::kPatientRefused);
}

TEST(Schedule, ADigestLeavesAtTheEndOfItsWindowOnTheLocalClock) {
  Recipient hourly = recipient();
  hourly.provider.digest_minutes = 60;
  const Decision first = decided(adt({}), {hourly}),
                 second = decided(adt({.visit = "V2"}), {hourly}, {}, kNow + minutes(49));
  const Decision later = decided(adt({.visit = "V3"}), {hourly}, {}, kNow + minutes(50));
  EXPECT_EQ(to_rfc3339(first.plans[0].not_before), "2026-11-24T06:00:00.000000Z");
  EXPECT_EQ(first.plans[0].digest_key, second.plans[0].digest_key);
  EXPECT_NE(first.plans[0].digest_key, later.plans[0].digest_key);
  EXPECT_NE(first.plans[0].digest_key, "");
}

TEST(Schedule, QuietHoursHoldMailUntilTheirEndAndMergeWhatTheyHeld) {
  Recipient night = recipient();
  night.provider.quiet = {22 * 60, 7 * 60};
  const Time late = *from_rfc3339("2026-11-24T14:30:00Z");  // 23:30 in Japan
  const Decision held = decided(adt({}), {night}, {}, late),
                 early = decided(adt({.visit = "V2"}), {night}, {}, late + hours(6));
  EXPECT_EQ(to_rfc3339(held.plans[0].not_before), "2026-11-24T22:00:00.000000Z");
  EXPECT_EQ(held.plans[0].digest_key, early.plans[0].digest_key);
  const Decision day = decided(adt({}), {night});
  EXPECT_EQ(day.plans[0].not_before, kNow);
  EXPECT_EQ(day.plans[0].digest_key, "");
}

TEST(Schedule, UrgentResultsWaitForNothingUnlessTheRulesSayOtherwise) {
  Recipient night = recipient();
  night.provider.quiet = {22 * 60, 7 * 60};
  night.provider.digest_minutes = 60;
  const Time late = *from_rfc3339("2026-11-24T14:30:00Z");
  const hl7::Message critical = oru("OBX|1|NM|2823-3^Potassium^LN||7.1|mmol/L|3.5-5.0|HH|||F");
  const hl7::Message high = oru("OBX|1|NM|2823-3^Potassium^LN||5.1|mmol/L|3.5-5.0|H|||F");
  EXPECT_EQ(decided(critical, {night}, {}, late).plans[0].not_before, late);
  EXPECT_GT(decided(high, {night}, {}, late).plans[0].not_before, late);
  EXPECT_GT(decided(critical, {night}, {.urgent = UrgentRule::kWaitsLikeOthers}, late).plans[0].not_before, late);
}

TEST(Schedule, QuietHoursEndWhereTheySayOnEitherSideOfMidnight) {
  const auto after = [](const char* time, QuietHours quiet) {
    return to_rfc3339(after_quiet(*from_rfc3339(time), quiet, 540));
  };
  EXPECT_EQ(after("2026-11-24T13:00:00Z", {22 * 60, 7 * 60}), "2026-11-24T22:00:00.000000Z");
  EXPECT_EQ(after("2026-11-24T21:59:59Z", {22 * 60, 7 * 60}), "2026-11-24T22:00:00.000000Z");
  EXPECT_EQ(after("2026-11-24T22:00:00Z", {22 * 60, 7 * 60}), "2026-11-24T22:00:00.000000Z");
  EXPECT_EQ(after("2026-11-24T12:59:59Z", {22 * 60, 7 * 60}), "2026-11-24T12:59:59.000000Z");
  EXPECT_EQ(after("2026-11-24T04:00:00Z", {12 * 60, 14 * 60}), "2026-11-24T05:00:00.000000Z");
  EXPECT_EQ(after("2026-11-24T04:00:00Z", {0, 0}), "2026-11-24T04:00:00.000000Z");
}

TEST(Plan, ItsJsonReadsBackAndHoldsNoPatientData) {
  Recipient night = recipient();
  night.provider.quiet = {22 * 60, 7 * 60};
  night.provider.detail = Detail::kFull;
  night.provider.language = Language::kEnglish;
  const MailPlan plan = decided(adt({.event = "A13"}), {night}, {}, *from_rfc3339("2026-11-24T14:30:00Z")).plans[0];
  const std::string json = plan_json(plan);
  const Result<MailPlan> back = parse_plan_json(json);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, plan);
  EXPECT_EQ(json.find("100"), std::string::npos);
  for (const char* wrong : {"", "{}", "[]", R"({"provider":1})"}) {
    const Result<MailPlan> refused = parse_plan_json(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, Errc::kCorrupt);
  }
}

TEST(Plan, ADigestsMessageIdDependsOnItsPlansAndNotOnTheirOrder) {
  const MailPlan a = decided(adt({}), {recipient()}).plans[0],
                 b = decided(adt({.visit = "V2"}), {recipient()}).plans[0];
  EXPECT_EQ(digest_message_id({a}, {}), a.message_id);
  EXPECT_EQ(digest_message_id({a, b}, {}), digest_message_id({b, a}, {}));
  EXPECT_NE(digest_message_id({a, b}, {}), digest_message_id({a}, {}));
}

}  // namespace
}  // namespace minato
