#include "format/hl7/ack.h"

#include <gtest/gtest.h>

#include <deque>

#include "format/charset/charset.h"
#include "format/hl7/ack_mode.h"
#include "format/hl7/message.h"
#include "format/hl7/tables.h"

namespace minato::hl7 {
namespace {

// A Header is views: the bytes that they point into are kept until the program ends.
Header header_of(std::string_view bytes) {
  static std::deque<std::string> kept;
  Result<Header> header = peek_header(kept.emplace_back(bytes));
  EXPECT_TRUE(header) << header.error().what;
  return header.value_or(Header{});
}

AckRequest request(AckCode code, std::vector<ErrorEntry> errors = {}) {
  return {.code = code,
          .errors = std::move(errors),
          .us = {.application = "MINATO", .facility = "PORT"},
          .time_dtm = "20261124140607+0900",
          .control_id = "A7"};
}

ErrorEntry at_msh(Fault fault, std::uint32_t field, std::uint32_t component) {
  return error_entry(fault, Location{.segment_id = "MSH", .field = field, .component = component, .offset = 0});
}

TEST(Ack, SwapsSenderAndReceiverAndEchoesTheDialect) {
  const Header header =
      header_of("MSH|^~\\&|SND|HOSP|RCV|CITY|2026||ADT^A01^ADT_A01|M1|p|2.5||||||~ISO IR87||ISO 2022-1994\rEVN|\r");
  EXPECT_EQ(build_ack(header, request(AckCode::kAA)),
            "MSH|^~\\&|RCV|CITY|SND|HOSP|20261124140607+0900||ACK^A01^ACK|A7|p|2.5||||||~ISO IR87||ISO 2022-1994\r"
            "MSA|AA|M1\r");
}

TEST(Ack, NamesUsWhenTheMessageNamedNobody) {
  const Header header = header_of("MSH|^~\\&|SND|HOSP|||2026||ADT^A01|M1|P|2.3\r");
  EXPECT_EQ(build_ack(header, request(AckCode::kAA)),
            "MSH|^~\\&|MINATO|PORT|SND|HOSP|20261124140607+0900||ACK^A01|A7|P|2.3\rMSA|AA|M1\r");
}

TEST(Ack, SpeaksWithTheSendersDelimiters) {
  const Header header = header_of("MSH$%*!@$SND%1$HOSP$M$H$2026$$ADT%A08$D1$P$2.5\rEVN$\r");
  EXPECT_EQ(build_ack(header, request(AckCode::kAR, {at_msh(Fault::kUnsupportedType, 9, 1)})),
            "MSH$%*!@$M$H$SND%1$HOSP$20261124140607+0900$$ACK%A08%ACK$A7$P$2.5\r"
            "MSA$AR$D1\r"
            "ERR$$MSH%1%9%1%1$200%Unsupported message type%HL70357$E$$$$This message type is not accepted here\r");
}

TEST(Ack, WritesErr1BeforeV25WithMsa3BeforeV24) {
  const std::vector<ErrorEntry> errors = {at_msh(Fault::kUnsupportedEvent, 9, 2), error_entry(Fault::kInternal)};
  const Header v23 = header_of("MSH|^~\\&|S|H|R|C|2026||ADT^A99|M1|P|2.3\r");
  EXPECT_EQ(build_ack(v23, request(AckCode::kAE, errors)),
            "MSH|^~\\&|R|C|S|H|20261124140607+0900||ACK^A99|A7|P|2.3\r"
            "MSA|AE|M1|This trigger event is not accepted here\r"
            "ERR|MSH^1^9^201&Unsupported event code&HL70357~^^^207&Application internal error&HL70357\r");
  const Header v24 = header_of("MSH|^~\\&|S|H|R|C|2026||ADT^A99^ADT_A01|M1|P|2.4\r");
  EXPECT_EQ(build_ack(v24, request(AckCode::kAE, {errors[0]})),
            "MSH|^~\\&|R|C|S|H|20261124140607+0900||ACK^A99^ACK|A7|P|2.4\r"
            "MSA|AE|M1\r"
            "ERR|MSH^1^9^201&Unsupported event code&HL70357\r");
}

TEST(Ack, GivesEachErrorItsErrFromV25On) {
  const Header header = header_of("MSH|^~\\&|S|H|R|C|2026||ORU^R01^ORU_R01|M1|P|2.5.1\r");
  ErrorEntry warning = error_entry(Fault::kUndecodable);
  warning.severity = Severity::kWarning;
  warning.user_message.clear();
  Location deep{.segment_id = "OBX",
                .segment_occurrence = 3,
                .field = 5,
                .repetition = 2,
                .component = 1,
                .subcomponent = 4,
                .offset = 9};
  EXPECT_EQ(build_ack(header, request(AckCode::kAE, {error_entry(Fault::kBadValue, deep), warning})),
            "MSH|^~\\&|R|C|S|H|20261124140607+0900||ACK^R01^ACK|A7|P|2.5.1\r"
            "MSA|AE|M1\r"
            "ERR||OBX^3^5^2^1^4|102^Data type error^HL70357|E||||A value is not of its data type\r"
            "ERR|||102^Data type error^HL70357|W\r");
}

TEST(Ack, AWarningBeforeV25IsSilentBecauseErr1HasNoSeverity) {
  const Header header = header_of("MSH|^~\\&|S|H|R|C|2026||ORU^R01|M1|P|2.4\r");
  ErrorEntry warning = error_entry(Fault::kUndecodable);
  warning.severity = Severity::kWarning;
  EXPECT_EQ(build_ack(header, request(AckCode::kAA, {warning})).find("ERR"), std::string::npos);
}

TEST(Ack, AnswersWhatHasNoMsh) {
  EXPECT_EQ(build_ack(Header{}, request(AckCode::kAR, {error_entry(Fault::kNotHl7)})),
            "MSH|^~\\&|MINATO|PORT|||20261124140607+0900||ACK|A7|P|2.5\r"
            "MSA|AR|\r"
            "ERR|||100^Segment sequence error^HL70357|E||||No MSH segment at the start\r");
}

TEST(Ack, EchoesAnOverLongControlIdWholeButNoHostileOne) {
  const std::string id = "1234567890123456789012345678901234567890^x&y\\F\\";
  const Header header = header_of("MSH|^~\\&|S|H|R|C|2026||ADT^A01|" + id + "|P|2.5\r");
  EXPECT_NE(build_ack(header, request(AckCode::kAA)).find("MSA|AA|" + id + "\r"), std::string::npos);
  const std::string huge = "MSH|^~\\&|S|H|R|C|2026||ADT^A01|" + std::string(1 << 20, 'x') + "|P|2.5\r";
  EXPECT_LT(build_ack(header_of(huge), request(AckCode::kAA)).size(), 1000u);
}

TEST(Ack, TextsAreEscapedAndInTheSendersCharacterSetWhenItIsToBeTrusted) {
  ErrorEntry error = error_entry(Fault::kMissingField);
  error.user_message = "必須|項目^がない";
  const std::string msh = "MSH|^~\\&|S|H|R|C|2026||ADT^A01^ADT_A01|M1|P|2.5||||||";
  const std::string honest = build_ack(header_of(msh + "~ISO IR87\r"), request(AckCode::kAE, {error}));
  const Message read = Message::parse(honest).value();
  EXPECT_EQ(read.get("ERR-8"), "必須|項目^がない");
  EXPECT_EQ(read.encoding(), charset::Encoding::kIso2022Jp);
  const std::string liar =
      msh + "~ISO IR87\rPID|" + charset::encode(charset::Encoding::kShiftJis, "山本太郎です").value() + "\r";
  EXPECT_TRUE(charset::plain_ascii(build_ack(header_of(liar), request(AckCode::kAE, {error}))));
}

TEST(Ack, NeverCarriesTextThatStoodWhereASegmentIdBelongs) {
  const Location where{.segment_id = "Smith John", .field = 3, .offset = 0};
  const Header header = header_of("MSH|^~\\&|S|H|R|C|2026||ADT^A01|M1|P|2.5\r");
  EXPECT_EQ(build_ack(header, request(AckCode::kAE, {error_entry(Fault::kBadValue, where)})).find("Smith"),
            std::string::npos);
}

TEST(Ack, EveryAnswerIsReadableByOurOwnParserWithTheRightControlId) {
  for (const std::string_view version :
       {"2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "9.9", ""}) {
    const Header header = header_of("MSH|^~\\&|S|H|R|C|2026||ADT^A01^ADT_A01|ID 7|P|" + std::string(version) + "\r");
    const std::string bytes = build_ack(header, request(AckCode::kAE, {at_msh(Fault::kUnsupportedVersion, 12, 1)}));
    const Message read = Message::parse(bytes).value();
    EXPECT_EQ(read.get("MSA-1"), "AE");
    EXPECT_EQ(read.get("MSA-2"), "ID 7");
    EXPECT_EQ(read.get("MSH-9.1"), "ACK");
    EXPECT_EQ(read.get("MSH-12"), version.empty() ? "2.5" : version);
    const bool v25 = version.empty() || version_rank(version) >= version_rank("2.5");
    EXPECT_EQ(v25 ? read.get("ERR-3.1") : read.get("ERR-1.4.1"), "203") << version;
    const auto again = read_acknowledgement(bytes, header_of(bytes));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->code, AckCode::kAE);
    EXPECT_EQ(again->control_id, "ID 7");
  }
}

TEST(Acknowledgement, IsRecognisedByItsTypeOrItsMsa) {
  const auto read = [](std::string_view bytes) { return read_acknowledgement(bytes, header_of(bytes)); };
  const auto plain = read("MSH|^~\\&|S|H|R|C|2026||ACK|9|P|2.5\rMSA|AA|M1|fine\r");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->code, AckCode::kAA);
  EXPECT_EQ(plain->control_id, "M1");
  EXPECT_EQ(plain->text, "fine");
  const auto response = read("MSH|^~\\&|S|H|R|C|2026||RSP^K22^RSP_K21|9|P|2.5\nSFT|x\nMSA|AA|Q7\nQAK|1\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->control_id, "Q7");
  EXPECT_EQ(read("MSH|^~\\&|S|H|R|C|2026||ADT^A01|9|P|2.5\rPID|1\rMSA|AA|M1\r"), std::nullopt);
  EXPECT_EQ(read("MSH|^~\\&|S|H|R|C|2026||ADT^A01|9|P|2.5\r"), std::nullopt);
}

TEST(Acknowledgement, OneThatSaysNothingClearIsNoSuccess) {
  const auto read = [](std::string_view bytes) { return read_acknowledgement(bytes, header_of(bytes)); };
  EXPECT_EQ(read("MSH|^~\\&|S|H|R|C|2026||ACK|9|P|2.5\r")->code, AckCode::kAE);
  EXPECT_EQ(read("MSH|^~\\&|S|H|R|C|2026||ACK|9|P|2.5\rMSA||M1\r")->code, AckCode::kAE);
  EXPECT_EQ(read("MSH|^~\\&|S|H|R|C|2026||ACK|9|P|2.5\rMSA|OK|M1\r")->code, AckCode::kAE);
}

// --- mode

AckPlan plan_of(std::string_view msh15, std::string_view msh16) {
  const std::string bytes =
      "MSH|^~\\&|S|H|R|C|2026||ADT^A01|M1|P|2.5|||" + std::string(msh15) + "|" + std::string(msh16) + "\r";
  return ack_plan(header_of(bytes));
}

TEST(AckMode, IsOriginalWhenNothingIsAskedFor) {
  const AckPlan plan = plan_of("", "");
  EXPECT_EQ(plan.mode, AckMode::kOriginal);
  EXPECT_FALSE(wanted(plan.accept, Outcome::kSuccess));
  EXPECT_TRUE(wanted(plan.application, Outcome::kSuccess));
  EXPECT_TRUE(wanted(plan.application, Outcome::kError));
  EXPECT_EQ(plan_of("\"\"", ""), plan);
  EXPECT_EQ(ack_plan(Header{}), plan);
}

TEST(AckMode, EveryPairOfTable0155IsObeyed) {
  const std::vector<std::string_view> values = {"AL", "NE", "ER", "SU"};
  for (const std::string_view accept : values) {
    for (const std::string_view application : values) {
      const AckPlan plan = plan_of(accept, application);
      EXPECT_EQ(plan.mode, AckMode::kEnhanced);
      EXPECT_EQ(wanted(plan.accept, Outcome::kSuccess), accept == "AL" || accept == "SU");
      EXPECT_EQ(wanted(plan.accept, Outcome::kError), accept == "AL" || accept == "ER");
      EXPECT_EQ(wanted(plan.application, Outcome::kSuccess), application == "AL" || application == "SU");
      EXPECT_EQ(wanted(plan.application, Outcome::kError), application == "AL" || application == "ER");
    }
  }
}

TEST(AckMode, SilenceIsKeptOnlyWhereItWasAskedFor) {
  EXPECT_EQ(plan_of("AL", "").application, AckCondition::kNever);
  EXPECT_EQ(plan_of("", "AL").accept, AckCondition::kNever);
  EXPECT_EQ(plan_of("XX", "NE").accept, AckCondition::kAlways);
}

// --- tables

TEST(Tables, KnowTypesEventsAndVersionsOfAllOfV2) {
  for (const std::string_view type :
       {"ADT", "ACK", "ORU", "ORM", "OMI", "MDM", "RSP", "VXU", "PPR", "UDM", "BAR", "EHC"}) {
    EXPECT_TRUE(known_message_type(type)) << type;
  }
  for (const std::string_view type : {"ZZZ", "", "adt", "ADTX", "AD"}) EXPECT_FALSE(known_message_type(type)) << type;
  for (const std::string_view event :
       {"A01", "A40", "A62", "R01", "O23", "T02", "S26", "Q22", "K23", "PC1", "PCL", "P12", "V04"}) {
    EXPECT_TRUE(known_trigger_event(event)) << event;
  }
  for (const std::string_view event : {"A00", "A56", "A99", "Z99", "ZD1", "", "A1", "A001", "a01", "PCZ", "X01"}) {
    EXPECT_FALSE(known_trigger_event(event)) << event;
  }
  for (const std::string_view version : {"2.0", "2.1", "2.3.1", "2.5", "2.5.1", "2.8.2", "2.9"})
    EXPECT_TRUE(known_version(version));
  for (const std::string_view version : {"1.0", "9.9", "", "2", "2.10", "3.0", "2.5.2"})
    EXPECT_FALSE(known_version(version)) << version;
  for (const std::string_view id : {"P", "T", "D", "p", "t", "d"}) EXPECT_TRUE(known_processing_id(id));
  for (const std::string_view id : {"0", "", "PP", "X"}) EXPECT_FALSE(known_processing_id(id));
}

TEST(Tables, VersionsCompare) {
  EXPECT_LT(version_rank("2.3"), version_rank("2.3.1"));
  EXPECT_LT(version_rank("2.3.1"), version_rank("2.5"));
  EXPECT_LT(version_rank("2.9"), version_rank("9.9"));
  EXPECT_LT(version_rank("2.0D"), version_rank("2.1"));
  EXPECT_EQ(version_rank("2.5.1"), 20501u);
  EXPECT_EQ(version_rank("abc"), 0u);
  EXPECT_EQ(version_rank(""), 0u);
}

std::optional<HeaderFault> fault_of(std::string_view type, std::string_view id, std::string_view processing,
                                    std::string_view version, const HeaderRules& rules = {}) {
  const std::string bytes = "MSH|^~\\&|S|H|R|C|2026||" + std::string(type) + "|" + std::string(id) + "|" +
                            std::string(processing) + "|" + std::string(version) + "\r";
  return check_header(header_of(bytes), rules);
}

struct Answer {
  AckCode code;
  int error;
  std::uint32_t field;
};
std::optional<Answer> answer_of(const std::optional<HeaderFault>& fault) {
  if (!fault) return std::nullopt;
  return Answer{answer_for(fault->fault).code, static_cast<int>(answer_for(fault->fault).error), fault->field};
}

TEST(Tables, AHeaderIsCheckedAsTheProtocolOwes) {
  const auto expect = [](const std::optional<HeaderFault>& fault, AckCode code, int error, std::uint32_t field) {
    const auto answer = answer_of(fault);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->code, code);
    EXPECT_EQ(answer->error, error);
    EXPECT_EQ(answer->field, field);
  };
  EXPECT_FALSE(fault_of("ADT^A01", "1", "P", "2.5"));
  EXPECT_FALSE(fault_of("ADT^A04", "1", "p", "2.3"));
  EXPECT_FALSE(fault_of("ORU^R01^ORU_R01", "1", "P^T", "2.5^DEU"));
  EXPECT_FALSE(fault_of("ACK", "1", "P", "2.5"));
  EXPECT_FALSE(fault_of("ADT", "1", "P", "2.1"));
  expect(fault_of("ADT^A01", "1", "P", "9.9"), AckCode::kAR, 203, 12);
  expect(fault_of("ADT^A01", "1", "P", ""), AckCode::kAR, 101, 12);
  expect(fault_of("ZZZ^Z99", "1", "P", "2.5"), AckCode::kAR, 200, 9);
  expect(fault_of("ADT^Z99", "1", "P", "2.5"), AckCode::kAR, 201, 9);
  expect(fault_of("ADT", "1", "P", "2.5"), AckCode::kAR, 201, 9);
  expect(fault_of("", "1", "P", "2.5"), AckCode::kAR, 101, 9);
  expect(fault_of("ADT^A01", "1", "X", "2.5"), AckCode::kAR, 202, 11);
  expect(fault_of("ADT^A01", "1", "", "2.5"), AckCode::kAR, 101, 11);
  expect(fault_of("ADT^A01", "", "P", "2.5"), AckCode::kAE, 101, 10);
  expect(check_header(Header{}, {}), AckCode::kAR, 100, 0);
}

TEST(Tables, ARuleMayAllowWhatNoTableHasAndLiftWhatIsRequired) {
  HeaderRules rules;
  rules.allow = [](std::string_view type, std::string_view event) { return type == "PPR" && event == "ZD1"; };
  EXPECT_FALSE(fault_of("PPR^ZD1^PPR_ZD1", "1", "P", "2.5", rules));
  EXPECT_TRUE(fault_of("PPR^ZD2^PPR_ZD1", "1", "P", "2.5", rules));
  rules.control_id = rules.processing_id = rules.version = Presence::kOptional;
  EXPECT_FALSE(fault_of("ADT^A01", "", "", "", rules));
}

TEST(Tables, EveryFaultHasItsAnswerAndAMessageInBothLanguages) {
  for (int i = 0; i <= static_cast<int>(Fault::kInternal); ++i) {
    const FaultAnswer& answer = answer_for(static_cast<Fault>(i));
    EXPECT_FALSE(positive(answer.code));
    EXPECT_FALSE(answer.user_message.empty());
    EXPECT_FALSE(charset::plain_ascii(answer.user_message_ja)) << i;
    EXPECT_TRUE(charset::plain_ascii(answer.user_message));
    EXPECT_FALSE(name(static_cast<Fault>(i)).empty());
  }
  EXPECT_EQ(as_accept(AckCode::kAE), AckCode::kCE);
  EXPECT_EQ(name(as_accept(AckCode::kAR)), "CR");
  EXPECT_EQ(ack_code_named("CA"), AckCode::kCA);
  EXPECT_EQ(ack_code_named("aa"), std::nullopt);
}

}  // namespace
}  // namespace minato::hl7
