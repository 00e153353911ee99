#include "flow/extract.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "language/dictionary.h"

namespace minato {
namespace {

Extraction extracted(const std::string& segments, std::string_view msh18 = "UNICODE UTF-8") {
  std::string bytes =
      "MSH|^~\\&|HIS|HOSP|MINATO|HOSP|20261124140607||ORU^R01|1|P|2.5||||||" + std::string(msh18) + "\r" + segments;
  const Result<hl7::Message> message = hl7::Message::parse(std::move(bytes));
  EXPECT_TRUE(message);
  return message ? extract_findings(*message, *language::builtin_dictionary()) : Extraction{};
}

// "diabetes+h@OBX[1]-5[1]; …"
std::string summary(const std::vector<LocatedFinding>& findings) {
  std::string out;
  for (const LocatedFinding& found : findings) {
    if (!out.empty()) out += "; ";
    out += found.finding.preferred;
    if (found.finding.negated) out += "+n";
    if (found.finding.historical) out += "+h";
    if (found.finding.family) out += "+f";
    if (found.section == Section::kAllergy) out += "+allergy";
    out += "@" + found.where.text();
  }
  return out;
}

TEST(Extract, NarrativeObservationsAndCommentsAreRead) {
  const Extraction found = extracted(
      "OBX|1|TX|11506-3^Progress note^LN||Fever since Monday||||||F\r"
      "NTE|1||also cough\r"
      "OBX|2|CWE|8661-1^Chief complaint^LN||29857009^Chest pain^SCT||||||F\r"
      "OBX|3|NM|2345-7^diabetes^LN||412|mg/dL|||||F\r");
  EXPECT_EQ(summary(found.findings), "fever@OBX[1]-5[1]; cough@NTE[1]-3[1]; chest pain@OBX[2]-5[1].2");
  EXPECT_EQ(found.texts, 3U);
}

TEST(Extract, EmbeddedDocumentsAreRefusedAndCounted) {
  const Extraction found = extracted("OBX|1|ED|PDF||^application^pdf^Base64^ZGlhYmV0ZXM=\rOBX|2|RP|X||diabetes^x\r");
  EXPECT_TRUE(found.findings.empty());
  EXPECT_EQ(found.refused, 2U);
}

TEST(Extract, ANoteSentLineByLineIsOneTextAndEachFindingKnowsItsLine) {
  const Extraction found = extracted(
      "OBX|1|TX|NOTE^^L||Known for chronic\rOBX|2|TX|NOTE^^L||fatigue syndrome and é\rOBX|3|TX|NOTE^^L||é diabetes\r"
      "OBX|4|TX|OTHER^^L||No\rOBX|5|TX|NOTE^^L||asthma\r");
  EXPECT_EQ(summary(found.findings), "chronic fatigue syndrome@OBX[1]-5[1]; diabetes@OBX[3]-5[1]; asthma@OBX[5]-5[1]");
  ASSERT_EQ(found.findings.size(), 3U);
  EXPECT_EQ(found.findings[1].finding.span, (language::Span{3, 11, 2, 10}));
}

TEST(Extract, HeadingsSetWhatFollows) {
  EXPECT_EQ(
      summary(
          extracted(
              "OBX|1|FT|N||PMH: diabetes, asthma\\.br\\FH: mother had gout; stroke\\.br\\Allergies: penicillin\\.br\\"
              "Assessment: pneumonia\\.br\\Meds: aspirin 81 mg\r")
              .findings),
      "diabetes+h@OBX[1]-5[1]; asthma+h@OBX[1]-5[1]; gout+f@OBX[1]-5[1]; ischemic stroke+f@OBX[1]-5[1]; "
      "penicillin+allergy@OBX[1]-5[1]; pneumonia@OBX[1]-5[1]; aspirin@OBX[1]-5[1]");
  EXPECT_EQ(summary(extracted("OBX|1|TX|N||【既往歴】高血圧症\\.br\\【家族歴】糖尿病\\.br\\主訴：発熱\r").findings),
            "hypertension+h@OBX[1]-5[1]; diabetes+f@OBX[1]-5[1]; fever@OBX[1]-5[1]");
  EXPECT_EQ(summary(extracted("OBX|1|FT|N||Seen today. PMH: gout. Allergies: aspirin. HPI: cough\r").findings),
            "gout+h@OBX[1]-5[1]; aspirin+allergy@OBX[1]-5[1]; cough@OBX[1]-5[1]");
}

TEST(Extract, AnEmptyLineEndsASection) {
  EXPECT_EQ(summary(extracted("OBX|1|FT|N||PMH:\\.br\\asthma\\.br\\\\.br\\Now fever\r").findings),
            "asthma+h@OBX[1]-5[1]; fever@OBX[1]-5[1]");
}

TEST(Extract, PhysicalExaminationIsNoEmbolism) {
  EXPECT_EQ(summary(extracted("OBX|1|FT|N||PE: lungs clear\\.br\\s/p PE last year\r").findings),
            "pulmonary embolism+h@OBX[1]-5[1]");
}

TEST(Extract, JapaneseCharacterSetsAreDecodedFirst) {
  // 糖尿病 in ISO-2022-JP; the second byte of 糖 is '|'.
  EXPECT_EQ(summary(extracted("OBX|1|TX|N||\x1B$BE|G\"IB\x1B(B\r", "~ISO IR87").findings), "diabetes@OBX[1]-5[1]");
}

TEST(Extract, TextOverTheLimitIsCutAndSaidToBe) {
  std::string segments;
  const std::string line(60'000, 'x');
  for (int i = 0; i < 100; ++i) segments += "OBX|" + std::to_string(i) + "|TX|N||" + line + "\r";
  segments += "OBX|101|TX|N||fever\r";
  const Extraction found = extracted(segments);
  EXPECT_TRUE(found.truncated);
  EXPECT_TRUE(found.findings.empty());
}

TEST(Extract, FindingsOverTheLimitAreLeftOutAndSaidToBe) {
  std::string pains;
  for (std::size_t i = 0; i <= kExtractFindingsMax; ++i) pains += "pain, ";
  const Extraction found = extracted("OBX|1|TX|N||" + pains + "\r");
  EXPECT_TRUE(found.truncated);
  EXPECT_EQ(found.findings.size(), kExtractFindingsMax);
}

TEST(Extract, AMailNamesEachConceptOnceAndOnlyThisPatients) {
  const Extraction found =
      extracted("OBX|1|FT|N||No fever. Fever. Propranolol. Propanolol 10Mg. FH: gout\\.br\\Allergies: aspirin\r");
  const std::vector<LocatedFinding> mail = mailable(found.findings);
  ASSERT_EQ(mail.size(), 2U);
  EXPECT_EQ(mail[0].finding.preferred, "fever");
  EXPECT_EQ(mail[1].finding.text + " " + mail[1].finding.dose, "Propanolol 10Mg");
}

}  // namespace
}  // namespace minato
