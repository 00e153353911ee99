#include "language/dictionary.h"

#include <chrono>
#include <random>

#include "language/dose.h"
#include "language/fold.h"

namespace minato::language {
namespace {

// "pulmonary embolism+h; propranolol@10Mg": preferred names with the traits n h u f and the dose.
std::string summary(std::string_view text) {
  std::string out;
  for (const Finding& finding : builtin_dictionary()->extract(text, Language::kUnknown)) {
    if (!out.empty()) out += "; ";
    out += finding.preferred;
    std::string traits;
    if (finding.negated) traits += 'n';
    if (finding.historical) traits += 'h';
    if (finding.uncertain) traits += 'u';
    if (finding.family) traits += 'f';
    if (!traits.empty()) out += "+" + traits;
    if (!finding.dose.empty()) out += "@" + finding.dose;
  }
  return out;
}

constexpr std::string_view kNote =
    "58 y/o woman brought from Lakeside Rehab by ambulance, s/p PE. IV line in the left arm, PT and OT to go on, ABT "
    "ended on "
    "Monday. Family reports pain when walking; at night severe agitation and discomfort, better after talking, she no "
    "longer "
    "required the sitter. Cognitive status at her baseline. Known for bipolar disorder, chronic fatigue syndrome, "
    "diabetes and "
    "a-fib. Takes propanolol 10Mg.";

TEST(Dictionary, TheShippedTableParsesAndIsAsLargeAsPromised) {
  const Result<Dictionary> parsed = Dictionary::parse(builtin_dictionary_tsv());
  ASSERT_TRUE(parsed) << parsed.error().what;
  EXPECT_GT(parsed->concept_count(), 600U);
  EXPECT_GT(parsed->form_count(), 2000U);
}

TEST(Dictionary, AnAdmissionNoteYieldsItsConditionsAndDrugsAndNothingElse) {
  EXPECT_EQ(summary(kNote),
            "pulmonary embolism+h; pain; agitation; discomfort; bipolar disorder; chronic fatigue syndrome; diabetes; "
            "atrial fibrillation; propranolol@10Mg");
}

TEST(Dictionary, SpansAreBytesAndCodePointsOfTheText) {
  const std::string text = "é 痛み, ａ－ｆｉｂ and propanolol 10Mg";
  const std::vector<Finding> found = builtin_dictionary()->extract(text, Language::kEnglish);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].span, (Span{3, 9, 2, 4}));
  EXPECT_EQ(found[1].text, "ａ－ｆｉｂ");
  EXPECT_EQ(found[1].span, (Span{11, 26, 6, 11}));
  EXPECT_EQ(found[2].text, "propanolol");
  EXPECT_EQ(found[2].dose, "10Mg");
  EXPECT_EQ(found[2].span.begin_code_point, 16U);
  EXPECT_EQ(text.substr(found[2].dose_span.begin, 4), "10Mg");
  EXPECT_EQ(found[2].dose_span.end_code_point, 31U);
}

TEST(Dictionary, CodesAreGivenWithTheirSystem) {
  const auto found = builtin_dictionary()->extract("a-fib, propanolol", Language::kEnglish);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].code_system + " " + found[0].code, "ICD-10-CM I48.91");
  EXPECT_EQ(found[1].code_system + " " + found[1].code, "RxNorm 8787");
  EXPECT_EQ(found[1].preferred_ja, "プロプラノロール");
}

struct Case {
  std::string_view text, expected;
};

TEST(Dictionary, WordsEndAtTheirEdges) {
  constexpr Case kCases[] = {
      {"painting of a paint", ""},
      {"PE: lungs clear. Acute PE in 2019", "pulmonary embolism"},
      {"pe teacher", ""},
      {"mi casa; acute MI", "myocardial infarction"},
      {"headaches and Seizures", "headache; seizure"},
      {"DIABETES", "diabetes"},
      {"type 2 diabetes mellitus", "type 2 diabetes"},
      {"A Fib; a‑fib; AFIB", "atrial fibrillation; atrial fibrillation; atrial fibrillation"},
      {"chronic\nfatigue syndrome", "chronic fatigue syndrome"},
      {"chronic\n\nfatigue syndrome", "fatigue"},
      {"Crohn’s disease", "Crohn's disease"},
      {"Sjögren syndrome / Sjogren syndrome", "Sjögren syndrome; Sjögren syndrome"},
      {"ガンマナイフ、アスピリンジレウ", "aspirin"},
      {"胃癌の肝転移", "gastric cancer"},
      {"ﾛｷｿﾆﾝ", "loxoprofen"},
      {"糖尿病DM", "diabetes; diabetes"},
  };
  for (const Case& c : kCases) EXPECT_EQ(summary(c.text), c.expected) << c.text;
}

TEST(Dictionary, CuesReachTheirFindingsAndNoFurther) {
  constexpr Case kCases[] = {
      {"Denies chest pain, fever, chills or cough.", "chest pain+n; fever+n; chills+n; cough+n"},
      {"No fever. Cough since Monday.", "fever+n; cough"},
      {"No fever but cough.", "fever+n; cough"},
      {"No fever\nCough", "fever+n; cough"},
      {"denies pain, reports nausea", "pain+n; nausea"},
      {"No longer dizzy", "dizziness"},
      {"Pneumonia was ruled out.", "pneumonia+n"},
      {"Pneumonia cannot be excluded.", "pneumonia+u"},
      {"possible pneumonia", "pneumonia+u"},
      {"history of DM, hypertension and asthma, presents with chest pain",
       "diabetes+h; hypertension+h; asthma+h; chest pain"},
      {"No history of asthma", "asthma+n"},
      {"s/p PE with cough", "pulmonary embolism+h; cough"},
      {"mother with diabetes", "diabetes+f"},
      {"発熱、咳嗽は認めず。腹痛あり。", "fever+n; cough+n; abdominal pain"},
      {"肺炎、発熱なし", "pneumonia; fever+n"},
      {"肺炎疑い", "pneumonia+u"},
      {"肺炎は否定できない", "pneumonia+u"},
      {"心筋梗塞の既往あり", "myocardial infarction+h"},
      {"家族歴：母に糖尿病", "diabetes+f"},
      {"胸痛（－）、動悸（＋）", "chest pain+n; palpitations"},
  };
  for (const Case& c : kCases) EXPECT_EQ(summary(c.text), c.expected) << c.text;
}

TEST(Dictionary, DosesAreReadAsWritten) {
  constexpr Case kCases[] = {
      {"metoprolol tartrate 25 mg PO BID and aspirin 81mg daily", "metoprolol@25 mg PO BID; aspirin@81mg daily"},
      {"lisinopril (10 mg) once a day.", "lisinopril@10 mg"},
      {"Percocet 5/325 mg q6h prn pain", "oxycodone@5/325 mg q6h prn; pain"},
      {"insulin glargine 20 units at bedtime", "insulin glargine@20 units at bedtime"},
      {"amoxicillin 500 mg three times a day x 7 days", "amoxicillin@500 mg three times a day x 7 days"},
      {"metoprolol BID", "metoprolol@BID"},
      {"warfarin, 3 visits", "warfarin"},
      {"aspirin in the morning", "aspirin"},
      {"heparin poorly tolerated", "heparin"},
      {"ロキソニン錠60mg 1回1錠 1日3回毎食後 内服", "loxoprofen@60mg 1回1錠 1日3回毎食後 内服"},
      {"アムロジピン５ｍｇ　分１朝食後", "amlodipine@５ｍｇ　分１朝食後"},
      {"levothyroxine 0.05 mg in the morning", "levothyroxine@0.05 mg in the morning"},
  };
  for (const Case& c : kCases) EXPECT_EQ(summary(c.text), c.expected) << c.text;
}

TEST(Dictionary, AMalformedTableIsRefusedWithItsLine) {
  const auto refused = [](std::string_view tsv) {
    const Result<Dictionary> parsed = Dictionary::parse(tsv);
    return parsed ? std::string("accepted") : parsed.error().what;
  };
  EXPECT_EQ(refused("# only a comment\n"), "accepted");
  EXPECT_EQ(refused("condition\tI10\thypertension\t高血圧\n"), "dictionary line 1: not five columns");
  EXPECT_EQ(refused("\ndisease\tI10\thypertension\t\t\n"), "dictionary line 2: unknown category");
  EXPECT_EQ(refused("cue\tsometimes\t3\t\tno\n"), "dictionary line 1: unknown cue");
  EXPECT_EQ(refused("cue\tstop\tfar\t\tno\n"), "dictionary line 1: a cue's reach is a number");
  EXPECT_EQ(refused("condition\t\ta\t\tSame\nsymptom\t\tb\t\tsame\n"), "dictionary has the form \"same\" twice");
}

TEST(Dictionary, AnyBytesAreReadInBoundsAndOffsetsStayValid) {
  std::mt19937 random(7);
  constexpr std::string_view kPieces[] = {
      "no ",   "PE", "痛",   "み", "\xE7", "\x80", "\n",    "\n\n", "propanolol ",    "10Mg ",  "ﾊﾞ", "\xEF", "-", " ",
      "a-fib", "。", "なし", "、", "\xFF", "s",    "fever", "\r",   "か\xE3\x82\x99", "1日3回", ":",  "/"};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (auto n = random() % 24; n > 0; --n) text += kPieces[random() % std::size(kPieces)];
    std::size_t last = 0;
    for (const Finding& finding : builtin_dictionary()->extract(text, Language::kUnknown)) {
      ASSERT_LE(last, finding.span.begin) << text;
      ASSERT_LT(finding.span.begin, finding.span.end) << text;
      ASSERT_LE(finding.span.end, text.size()) << text;
      ASSERT_LE(finding.dose_span.end, text.size()) << text;
      ASSERT_LE(finding.span.end_code_point - finding.span.begin_code_point, finding.span.end - finding.span.begin);
      last = finding.span.end;
    }
  }
}

TEST(Fold, WidthAccentsHyphensAndBlanksAreFolded) {
  EXPECT_EQ(fold("Ａ－Ｆｉｂ").lower, "a fib");
  EXPECT_EQ(fold("ﾊﾞﾊﾟｳﾞ").lower, "バパヴ");
  EXPECT_EQ(fold("か\xE3\x82\x99").lower, "が");
  EXPECT_EQ(fold("a \t\xC2\xA0　b").lower, "a b");
  EXPECT_EQ(fold("a \r\n b").lower, "a\nb");
  EXPECT_EQ(fold("a\r\n \r\n\nb").lower, "a\n\nb");
  EXPECT_EQ(fold("(-) 5-10").lower, "(-) 5-10");
  EXPECT_EQ(fold("Guillain-Barré").cased, "Guillain Barre");
  EXPECT_EQ(fold("\xFFx").lower, "\xEF\xBF\xBDx");
}

TEST(Fold, EachByteKnowsWhereItsCharacterCameFrom) {
  const Folded folded = fold("Ａ　b");
  ASSERT_EQ(folded.lower, "a b");
  EXPECT_EQ(folded.source, (std::vector<std::uint32_t>{0, 3, 6, 7}));
}

}  // namespace
}  // namespace minato::language
