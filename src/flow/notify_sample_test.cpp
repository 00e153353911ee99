// One message on its whole way at this level: an admission note in a v2.3 message with a mail address in PD1-4, as
// senders write it in the field, to the words of the mail.
#include <gtest/gtest.h>

#include "flow/extract.h"
#include "flow/notify.h"
#include "flow/notify_render.h"
#include "flow/verify.h"
#include "flow/verify_test_registry.h"
#include "language/dictionary.h"

namespace minato {
namespace {

constexpr const char* kControlId = "MNT20261124090000-000000001";  // 27 characters: more than the standard's 20

std::string admission() {
  return std::string("MSH|^~\\&|ADT1|GOOD HEALTH HOSPITAL|MINATO|GOOD HEALTH HOSPITAL|202611240900||ADT^A04|") +
         kControlId +
         "|p|2.3\r"
         "EVN|A04|202611240900\r"
         "PID|1||56782445^^^GHH^MR||martin^steven||19580112|M\r"
         "PD1||||john.smith@dremail.com^smith^john\r"
         "PV1|1|O|ER^12^A\r"
         "OBX|1|TX|11506-3^Admission note^LN||68 y/o man brought from Lakeside Rehab by ambulance, s/p PE. IV line in "
         "the left arm, PT and "
         "OT to go on, ABT ended on Monday. Family reports pain when walking; at night severe agitation and "
         "discomfort, better after "
         "talking, he no longer required the sitter. Cognitive status at his baseline. Known for bipolar disorder, "
         "chronic fatigue "
         "syndrome, diabetes and a-fib. Takes propanolol 10Mg.||||||F\r";
}

class Sample : public ::testing::Test {
 protected:
  void know_patient() { registry_.patient({"GHH", "56782445"}, {{"martin", "steven", "", "", "L"}}, "19580112", "M"); }
  void know_provider() {
    Provider smith;
    smith.code = "901";
    smith.names = {{"smith", "john", "", "A", "L"}};
    smith.mails = {"john.smith@dremail.com"};
    smith.language = Language::kEnglish;
    smith.detail = Detail::kFull;
    registry_.providers({smith});
  }

  // The mails that leave, or the reason why the message is parked.
  struct Outcome {
    std::string parked;
    std::vector<MailPlan> plans;
    std::vector<RenderedMail> mails;
  };
  Outcome run(const std::string& bytes) {
    Outcome out;
    const auto message = hl7::Message::view(bytes);
    EXPECT_TRUE(message);
    const VerifyViews views = registry_.views();
    const auto verdict = verify(*message, views, {});
    EXPECT_TRUE(verdict);
    if (verdict->kind == VerdictKind::kRejected) {
      out.parked = describe(*verdict);
      return out;
    }
    const NotifyRules rules;
    const auto occasion = occasion_of(*message, rules);
    EXPECT_TRUE(occasion);
    const auto recipients = recipients_of(*verdict, views, rules);
    EXPECT_TRUE(recipients);
    out.plans = decide(*occasion, {*verdict, *recipients, *from_rfc3339("2026-11-24T00:00:01Z")}, rules).plans;
    const Extraction found = extract_findings(*message, *language::builtin_dictionary());
    for (const MailPlan& plan : out.plans) {
      out.mails.push_back(render({make_notice(*message, plan, {*verdict, *occasion, found.findings})},
                                 *MailTemplates::builtin(), {.base_url = "https://minato.example"}, rules));
    }
    return out;
  }
  TestRegistry registry_;
};

TEST_F(Sample, WithPatientAndProviderKnownOneMailNamesEverything) {
  know_patient();
  know_provider();
  const Outcome out = run(admission());
  EXPECT_EQ(out.parked, "");
  ASSERT_EQ(out.plans.size(), 1U);
  EXPECT_EQ(out.plans[0].address, "john.smith@dremail.com");
  const std::string& text = out.mails.at(0).text;
  EXPECT_EQ(out.mails[0].subject, "Patient registered - the hospital");
  for (const char* named :
       {"Patient: steven martin (56782445)", "Ward: ER-12-A", "- PE (pulmonary embolism) [history]\n", "- pain\n",
        "- agitation\n", "- discomfort\n", "- bipolar disorder\n", "- chronic fatigue syndrome\n", "- diabetes\n",
        "- a-fib (atrial fibrillation)\n", "- propanolol 10Mg (propranolol)\n"}) {
    EXPECT_NE(text.find(named), std::string::npos) << named << "\n" << text;
  }
  for (const char* no_finding : {"- IV", "- PT", "- OT", "- ABT", "sitter", "Cognitive"}) {
    EXPECT_EQ(text.find(no_finding), std::string::npos) << no_finding;
  }
}

TEST_F(Sample, ARepetitionIsTheSameMail) {
  know_patient();
  know_provider();
  std::string again = admission();
  again.replace(again.find(kControlId), 27, "MNT20261124090000-000000002");
  EXPECT_EQ(run(admission()).plans, run(again).plans);
}

TEST_F(Sample, WithoutThePatientItIsParkedAndNobodyIsTold) {
  know_provider();
  const Outcome out = run(admission());
  EXPECT_EQ(out.parked, "patient-unknown at PID[1]-3: held against the registry: unknown-identifier");
  EXPECT_TRUE(out.plans.empty());
}

TEST_F(Sample, WithoutTheProviderItIsParkedAndNobodyIsTold) {
  know_patient();
  const Outcome out = run(admission());
  EXPECT_EQ(out.parked, "address-mismatch at PD1[1]-4[1].1: held against the registry of providers: unknown");
  EXPECT_TRUE(out.plans.empty());
}

TEST_F(Sample, ThePatientsOwnPhysicianIsToldWhenTheMessageNamesNone) {
  know_patient();
  know_provider();
  PatientEvent update = registry_.new_event("A31");
  update.identifiers = {{"GHH", "56782445"}};
  ProviderClaim smith;
  smith.role = ProviderRole::kPrimary;
  smith.id = "901";
  smith.field = "PD1-4";
  update.primary_providers = std::vector<ProviderClaim>{smith};
  registry_.apply(update);
  std::string silent = admission();
  silent.erase(silent.find("PD1|"), silent.find("PV1|") - silent.find("PD1|"));
  ASSERT_EQ(run(silent).plans.size(), 1U);
  EXPECT_EQ(run(silent).plans[0].address, "john.smith@dremail.com");
}

}  // namespace
}  // namespace minato
