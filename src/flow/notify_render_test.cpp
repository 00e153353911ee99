#include "flow/notify_render.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "language/dictionary.h"

namespace minato {
namespace {

const Time kNow = *from_rfc3339("2026-11-24T05:10:00Z");
const MailWords kWords{
    .base_url = "https://minato.example/ui/", .institution_en = "O'Hara & Sons", .institution_ja = "港病院"};

hl7::Message parsed(std::string bytes) {
  Result<hl7::Message> message = hl7::Message::parse(std::move(bytes));
  EXPECT_TRUE(message);
  return std::move(*message);
}

std::string adt(const std::string& event, const std::string& note, const std::string& location = "5W^501^1^HOSP") {
  return "MSH|^~\\&|HIS|HOSP|MINATO|HOSP|20261124140607||ADT^" + event + "|1|P|2.5||||||UNICODE UTF-8\rEVN|" + event +
         "|20261124140607\rPID|1||100^^^HOSP||EVIL^NAME\rPV1|1|I|" + location +
         "|||4E^402^2|900^Suzuki^Ichiro^^^^^^^^^^^^A~900^鈴木^一郎^^^^^^^^^^^^I||||||||||||V1\rOBX|1|FT|NOTE||" + note +
         "\r";
}

Verification verdict() {
  Verification out;
  out.kind = VerdictKind::kVerified;
  out.patient = PatientId{7};
  out.identifier = {"HOSP", "100"};
  out.demographics.names = std::vector<PersonName>{
      {"山田", "太郎", "", "I", "L"}, {"ヤマダ", "タロウ", "", "P", "L"}, {"Yamada", "Taro", "", "A", "L"}};
  return out;
}

Notice notice_of(const hl7::Message& message, Language language, Detail detail) {
  const NotifyRules rules;
  const Verification verified = verdict();
  const auto occasion = occasion_of(message, rules);
  EXPECT_TRUE(occasion);
  Recipient recipient;
  recipient.provider.id = ProviderId{1};
  recipient.provider.mails = {"d1@example.org"};
  recipient.provider.language = language;
  recipient.provider.detail = detail;
  const Decision decision = decide(*occasion, {verified, {recipient}, kNow}, rules);
  EXPECT_EQ(decision.plans.size(), 1U);
  const Extraction found = extract_findings(message, *language::builtin_dictionary());
  return make_notice(message, decision.plans.at(0), {verified, *occasion, found.findings});
}

RenderedMail rendered(const std::vector<Notice>& notices) {
  return render(notices, *MailTemplates::builtin(), kWords, {});
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Render, TheBuiltInTemplatesLoad) { ASSERT_NE(MailTemplates::builtin(), nullptr); }

TEST(Render, ByDefaultAMailHasALinkAndNothingAboutThePatient) {
  const hl7::Message message = parsed(adt("A01", "Known for diabetes. Takes propanolol 10Mg"));
  for (const Language language : {Language::kJapanese, Language::kEnglish}) {
    const Notice notice = notice_of(message, language, Detail::kLinkOnly);
    EXPECT_FALSE(notice.detail);
    const RenderedMail mail = rendered({notice});
    const std::string all = mail.subject + mail.text + mail.html;
    for (const char* secret : {"100", "Yamada", "山田", "太郎", "ヤマダ", "EVIL", "diabetes", "糖尿病", "propanolol",
                               "5W", "Suzuki", "鈴木"}) {
      EXPECT_FALSE(contains(all, secret)) << secret;
    }
    EXPECT_TRUE(contains(mail.text, "https://minato.example/ui/notices/" + notice.plan.notice_id + "\n")) << mail.text;
    EXPECT_TRUE(contains(mail.html, "href=\"https://minato.example/ui/notices/" + notice.plan.notice_id + "\""));
    EXPECT_EQ(mail.message_id, notice.plan.message_id);
  }
}

TEST(Render, FullDetailInEnglishNamesEverything) {
  const hl7::Message message =
      parsed(adt("A01", "s/p PE. Known for diabetes and a-fib. No fever. Takes propanolol 10Mg"));
  const RenderedMail mail = rendered({notice_of(message, Language::kEnglish, Detail::kFull)});
  EXPECT_EQ(mail.language, "en");
  EXPECT_EQ(mail.subject, "Patient admitted - O'Hara & Sons");
  for (const char* line :
       {"Patient admitted (2026-11-24 14:06)\n", "  Patient: Taro Yamada (100)\n", "  Ward: 5W-501-1\n",
        "  Treating practitioner: Ichiro Suzuki\n", "  Institution: O'Hara & Sons\n",
        "    - PE (pulmonary embolism) [history]\n", "    - diabetes\n", "    - a-fib (atrial fibrillation)\n",
        "    - propanolol 10Mg (propranolol)\n"}) {
    EXPECT_TRUE(contains(mail.text, line)) << line << mail.text;
  }
  EXPECT_FALSE(contains(mail.text, "fever"));
  EXPECT_FALSE(contains(mail.text, "EVIL"));
  EXPECT_FALSE(contains(mail.text, "\n\n\n"));
  EXPECT_TRUE(contains(mail.html, "<li>Institution: O&#39;Hara &amp; Sons</li>"));
  EXPECT_FALSE(contains(mail.subject, "Yamada"));
}

TEST(Render, FullDetailInJapaneseUsesJapaneseNamesInTheirOrder) {
  const hl7::Message message = parsed(adt("A02", "a-fib. 肺炎疑い。"));
  const RenderedMail mail = rendered({notice_of(message, Language::kJapanese, Detail::kFull)});
  EXPECT_EQ(mail.subject, "転棟のお知らせ（港病院）");
  for (const char* line : {"転棟（2026年11月24日 14:06）\n", "  患者: 山田 太郎（ヤマダ タロウ） 様（ID 100）\n",
                           "  病棟: 4E-402-2 → 5W-501-1\n", "  担当医: 鈴木 一郎\n", "    ・a-fib（心房細動）\n",
                           "    ・肺炎［疑い］\n"}) {
    EXPECT_TRUE(contains(mail.text, line)) << line << mail.text;
  }
}

TEST(Render, WhatASenderWritesIsEscapedAndOnOneLine) {
  const hl7::Message message = parsed(adt("A01", "diabetes", "<script>alert(1)</script>\\X0D0A\\Bcc: x"));
  const RenderedMail mail = rendered({notice_of(message, Language::kEnglish, Detail::kFull)});
  EXPECT_FALSE(contains(mail.html, "<script>"));
  EXPECT_TRUE(contains(mail.html, "&lt;script&gt;"));
  EXPECT_FALSE(contains(mail.text, "\nBcc:"));
}

TEST(Render, SeveralPlansBecomeOneMailUrgentFirst) {
  const hl7::Message admitted = parsed(adt("A01", "")), left = parsed(adt("A03", ""));
  const hl7::Message critical = parsed(
      "MSH|^~\\&|LAB|HOSP|MINATO|HOSP|20261124150000||ORU^R01|9|P|2.5\rPID|1||100^^^HOSP\rOBR|1||F1\r"
      "OBX|1|NM|2823-3^Potassium^LN||7.1|mmol/L|3.5-5.0|HH|||C\r");
  const std::vector<Notice> notices = {notice_of(admitted, Language::kEnglish, Detail::kFull),
                                       notice_of(left, Language::kEnglish, Detail::kFull),
                                       notice_of(critical, Language::kEnglish, Detail::kFull)};
  const RenderedMail mail = rendered(notices);
  EXPECT_EQ(mail.subject, "URGENT 3 notices - O'Hara & Sons");
  EXPECT_TRUE(contains(mail.text, "    - Potassium: 7.1 mmol/L HH (reference 3.5-5.0) [corrected]\n")) << mail.text;
  EXPECT_LT(mail.text.find("Abnormal result"), mail.text.find("Patient admitted"));
  EXPECT_LT(mail.text.find("Patient admitted"), mail.text.find("Patient discharged"));
  for (const Notice& notice : notices) EXPECT_TRUE(contains(mail.text, notice.plan.notice_id));
  EXPECT_TRUE(contains(mail.message_id, ".digest@"));
}

TEST(Render, ACorrectionSaysSo) {
  const RenderedMail en = rendered({notice_of(parsed(adt("A11", "")), Language::kEnglish, Detail::kLinkOnly)});
  EXPECT_EQ(en.subject, "Correction: admission cancelled - O'Hara & Sons");
  const RenderedMail ja = rendered({notice_of(parsed(adt("A13", "")), Language::kJapanese, Detail::kLinkOnly)});
  EXPECT_EQ(ja.subject, "【訂正】退院の取消のお知らせ（港病院）");
}

TEST(Render, LongListsAreCutAndSaidToBe) {
  Notice notice = notice_of(parsed(adt("A01", "diabetes")), Language::kEnglish, Detail::kFull);
  const LocatedFinding finding = notice.detail->findings.at(0);
  notice.detail->findings.assign(kNoticeFindingsMax, finding);
  EXPECT_FALSE(contains(rendered({notice}).text, "There is more"));
  notice.detail->findings.push_back(finding);
  EXPECT_TRUE(contains(rendered({notice}).text, "There is more"));
}

TEST(Names, FollowTheOrderOfTheirScript) {
  const PersonName roman{"Martin", "Steven", "J", "", "L"}, kanji{"山田", "太郎", "", "I", "L"},
      kana{"ヤマダ", "タロウ", "", "P", "L"};
  EXPECT_EQ(display_name({roman}, Language::kEnglish), "Steven J Martin");
  EXPECT_EQ(display_name({roman}, Language::kJapanese), "Steven J Martin");
  EXPECT_EQ(display_name({kanji}, Language::kEnglish), "山田 太郎");
  EXPECT_EQ(display_name({kana}, Language::kJapanese), "ヤマダ タロウ");
  EXPECT_EQ(display_name({{"山田", "", "", "I", "L"}}, Language::kJapanese), "山田");
  EXPECT_EQ(display_name({}, Language::kJapanese), "");
}

class TemplateDirectory : public ::testing::Test {
 protected:
  TemplateDirectory()
      : path_(std::filesystem::temp_directory_path() / ("minato-templates-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~TemplateDirectory() override { std::filesystem::remove_all(path_); }
  std::string loaded_with(const std::string& name, const std::string& source) {
    std::ofstream(path_ / name) << source;
    const auto templates = MailTemplates::load(real_files(), path_.string());
    std::filesystem::remove(path_ / name);
    if (!templates) return templates.error().what;
    return render({notice_of(parsed(adt("A01", "")), Language::kEnglish, Detail::kLinkOnly)}, **templates, kWords, {})
        .text;
  }
  std::filesystem::path path_;
};

TEST_F(TemplateDirectory, ASitesFilesReplaceTheBuiltInOnes) {
  EXPECT_EQ(loaded_with("mail.en.txt", "{{#notices}}{{event}}{{/notices}}"), "Patient admitted");
  EXPECT_TRUE(contains(loaded_with("mail.ja.txt", "x"), "automatic notice"));
}

TEST_F(TemplateDirectory, WhatIsWrongInThemIsSaidAtTheStart) {
  EXPECT_EQ(loaded_with("mail.en.txt", "\n{{patient}}"),
            "template mail.en.txt: line 2: no value is named so here: patient");
  EXPECT_EQ(loaded_with("subject.en.txt", "{{#detail}}{{patient}}{{/detail}}"),
            "template subject.en.txt: line 1: no section is named so here: detail");
  EXPECT_EQ(loaded_with("mail.fr.txt", "x"), "template mail.fr.txt: no mail has a template of that name");
}

}  // namespace
}  // namespace minato
