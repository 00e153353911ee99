// The ways in which senders go wrong, and the answer that each is owed, with nothing but the pure parts: framing,
// batch, header, answer.
#include <gtest/gtest.h>

#include "format/hl7/ack.h"
#include "format/hl7/ack_mode.h"
#include "format/hl7/batch.h"
#include "format/hl7/header.h"
#include "format/hl7/message.h"
#include "format/hl7/mllp_framer.h"
#include "format/hl7/tables.h"

namespace minato::hl7 {
namespace {

using mllp::encode_frame;
using mllp::Event;
using mllp::EventKind;

AckRequest request(AckCode code, std::vector<ErrorEntry> errors) {
  return {.code = code, .errors = std::move(errors), .us = {}, .time_dtm = "20261124140607", .control_id = "A1"};
}

std::string refusal(const Header& header, Fault fault) {
  return build_ack(header, request(answer_for(fault).code, {error_entry(fault)}));
}

// What a receiver answers to one message that it could store; "" when silence was asked for.
std::string answer_to(std::string_view message) {
  const Header header = peek_header(message).value_or(Header{});
  const AckPlan plan = ack_plan(header);
  const bool enhanced = plan.mode == AckMode::kEnhanced;
  const auto fault = check_header(header, {});
  const Outcome outcome = fault ? Outcome::kError : Outcome::kSuccess;
  if (!wanted(enhanced ? plan.accept : plan.application, outcome)) return {};
  AckCode code = fault ? answer_for(fault->fault).code : AckCode::kAA;
  if (enhanced) code = as_accept(code);
  std::vector<ErrorEntry> errors;
  if (fault) {
    Location where{.segment_id = "MSH", .field = fault->field, .component = fault->component, .offset = 0};
    errors.push_back(error_entry(fault->fault, fault->field == 0 ? std::optional<Location>{} : where));
  } else if (header.charset.warning != charset::Warning::kNone) {
    errors.push_back(error_entry(Fault::kUndecodable));
    errors.back().severity = Severity::kWarning;
  }
  return build_ack(header, request(code, std::move(errors)));
}

// MSA-1, MSA-2 and the first error code of an answer: "AR:7:203".
std::string told(const std::string& answer) {
  if (answer.empty()) return "silence";
  const Message message = Message::view(answer).value();
  std::string out = message.get("MSA-1") + ":" + message.get("MSA-2");
  if (message.segment("ERR").exists()) out += ":" + message.get("ERR-3.1") + message.get("ERR-4");
  return out;
}

std::string answers_to(std::string_view stream) {
  mllp::Framer framer;
  std::vector<Event> events;
  framer.feed(stream, events);
  framer.accept_without_cr(events);
  std::string out;
  const auto add = [&](const std::string& what) { out += (out.empty() ? "" : " ") + what; };
  for (const Event& event : events) {
    switch (event.kind) {
      case EventKind::kFrame:
        for (const std::string_view message : split_batch(event.bytes).messages) add(told(answer_to(message)));
        break;
      case EventKind::kEmptyFrame:
        add(told(refusal(Header{}, Fault::kNotHl7)));
        break;
      case EventKind::kNoStartBlock:
        add(told(refusal(peek_header(event.bytes).value_or(Header{}), Fault::kFraming)));
        break;
      case EventKind::kHalfFrame:
        add("half");
        break;
      case EventKind::kJunk:
        add("junk:" + std::to_string(event.count));
        break;
      default:
        add(std::string(mllp::name(event.kind)));
    }
  }
  return out;
}

std::string adt(std::string_view id, std::string_view type = "ADT^A01^ADT_A01", std::string_view version = "2.5",
                std::string_view after = "") {
  return "MSH|^~\\&|S|H|R|C|20261124||" + std::string(type) + "|" + std::string(id) + "|P|" + std::string(version) +
         std::string(after) + "\rPID|1||42\r";
}

TEST(Probe, TwoFramesInOneWriteAreAnsweredInOrder) {
  EXPECT_EQ(answers_to(encode_frame(adt("1")) + encode_frame(adt("2"))), "AA:1 AA:2");
}

TEST(Probe, JunkBeforeAFrameIsCountedAndTheFrameAnswered) {
  EXPECT_EQ(answers_to("\r\nhello" + encode_frame(adt("1"))), "junk:7 AA:1");
  EXPECT_EQ(answers_to(std::string(2, '\0') + encode_frame(adt("1"))), "junk:2 AA:1");
}

TEST(Probe, AnEndBlockWithoutItsCrIsAcceptedAfterTheWait) {
  EXPECT_EQ(answers_to(mllp::kStartBlock + adt("1") + mllp::kEndBlock), "AA:1");
}

TEST(Probe, ContentWithoutAStartBlockIsRefusedByItsId) {
  EXPECT_EQ(answers_to(adt("1") + mllp::kEndBlock + "\r"), "AR:1:100E");
}

TEST(Probe, AStartBlockInAFrameDropsTheHalfAndAnswersTheWhole) {
  EXPECT_EQ(answers_to(mllp::kStartBlock + adt("1").substr(0, 40) + encode_frame(adt("2"))), "half AA:2");
}

TEST(Probe, WhatIsNoHl7IsRefused) {
  EXPECT_EQ(answers_to(encode_frame("HELLO WORLD")), "AR::100E");
  EXPECT_EQ(answers_to(encode_frame("")), "AR::100E");
  EXPECT_EQ(answers_to(encode_frame("MSH")), "AR::100E");
  EXPECT_EQ(answers_to(encode_frame("MSH|^~\\&\r")), "AR::101E");
  EXPECT_EQ(answers_to(encode_frame("\r\n")), "AR::100E");
}

TEST(Probe, AMissingControlIdIsAnErrorOfTheContent) { EXPECT_EQ(answers_to(encode_frame(adt(""))), "AE::101E"); }

TEST(Probe, EnhancedModeAnswersWhatWasAskedForAndNothingElse) {
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ADT^A01", "2.5", "|||AL|NE"))), "CA:1");
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ADT^A01", "2.5", "|||NE|NE"))), "silence");
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ADT^A01", "2.5", "|||ER|NE"))), "silence");
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ZZZ^Z01", "2.5", "|||ER|NE"))), "CR:1:200E");
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ZZZ^Z01", "2.5", "|||SU|NE"))), "silence");
}

TEST(Probe, WhatNoVersionOfHl7KnowsIsRejected) {
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ADT^A01", "9.9"))), "AR:1:203E");
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ZZZ^Z99"))), "AR:1:200E");
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ADT^Z99"))), "AR:1:201E");
}

TEST(Probe, KanjiWithDelimiterBytesAreReadAndAnswered) {
  const std::string text = charset::encode(charset::Encoding::kIso2022Jp, "PID|1||42||山本^京子|糖尿病|骨折\r").value();
  const std::string bytes = adt("1", "ADT^A01", "2.5", "||||||~ISO IR87") + text;
  EXPECT_EQ(answers_to(encode_frame(bytes)), "AA:1");
  EXPECT_EQ(Message::view(bytes)->get("PID[2]-7"), "骨折");
}

TEST(Probe, InvalidUtf8IsKeptAndTheSenderWarned) {
  EXPECT_EQ(answers_to(encode_frame(adt("1", "ADT^A01", "2.5", "||||||UNICODE UTF-8") + "NTE|1||caf\xE9\r")),
            "AA:1:102W");
}

TEST(Probe, EachMessageOfABatchHasItsAnswer) {
  const std::string bytes = "FHS|^~\\&\rBHS|^~\\&\r" + adt("1") + adt("2") + "BTS|2\rFTS|1\r";
  EXPECT_EQ(answers_to(encode_frame(bytes)), "AA:1 AA:2");
}

TEST(Probe, AReportOfEightMegabytesIsAMessageLikeAnother) {
  EXPECT_EQ(answers_to(encode_frame(adt("1") + "OBX|1|ED|||" + std::string(8'000'000, 'A') + "\r")), "AA:1");
}

TEST(Probe, TheFieldsOwnDialectsAreAccepted) {
  const std::string crs = adt("123456789012345678901234567", "ADT^A04", "2.3");
  std::string lines;
  for (const char c : crs) c == '\r' ? lines.append("\r\n") : lines.append(1, c);
  EXPECT_EQ(answers_to(encode_frame(lines)), "AA:123456789012345678901234567");
  EXPECT_EQ(answers_to(encode_frame("\xEF\xBB\xBF" + adt("1"))), "AA:1");
  EXPECT_EQ(answers_to(encode_frame("MSH|^~\\&|||||||ADT^A04|7|p|2.3\r")), "AA:7");
  EXPECT_EQ(answers_to(encode_frame("MSH$%*!@$||||$$$$$$ADT%A04$7$t$2.3$\r")), "AA:7");
}

}  // namespace
}  // namespace minato::hl7
