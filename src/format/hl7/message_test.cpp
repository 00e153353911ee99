#include "format/hl7/message.h"

#include <gtest/gtest.h>

#include "format/charset/jis.h"
#include "format/charset/utf8.h"
#include "format/hl7/escape.h"
#include "format/hl7/header.h"

namespace minato::hl7 {
namespace {

constexpr std::string_view kAdt =
    "MSH|^~\\&|HIS|WARD|MINATO|HOSP|20261124140607||ADT^A01^ADT_A01|M1|P|2.5\r"
    "EVN||20261124\r"
    "PID|1||42^^^HOSP^PI~43^^^CITY&1.2.3&ISO^SS||Smith^John^^^^^L||19800101|M\r"
    "OBX|1|ST|A||one\r"
    "OBX|2|ST|B||two\r";

Message parsed(std::string_view bytes) {
  Result<Message> message = Message::parse(std::string(bytes));
  EXPECT_TRUE(message) << message.error().what;
  return message ? std::move(*message) : Message::parse(std::string(kAdt)).value();
}

TEST(Message, GivesEveryElementByItsNumber) {
  const Message message = parsed(kAdt);
  EXPECT_EQ(message.segment_count(), 5u);
  const Segment pid = message.segment("PID");
  ASSERT_TRUE(pid.exists());
  EXPECT_EQ(pid.field_count(), 8u);
  EXPECT_EQ(pid.field(3).repetition_count(), 2u);
  EXPECT_EQ(pid.field(3).repetition(1).component(1).text(), "43");
  EXPECT_EQ(pid.field(3).repetition(1).component(4).subcomponent_count(), 3u);
  EXPECT_EQ(pid.field(3).repetition(1).component(4).subcomponent(2).text(), "1.2.3");
  EXPECT_EQ(pid.field(5).component(2).text(), "John");
  EXPECT_EQ(pid.field(5).repetition(0).component_count(), 7u);
  EXPECT_EQ(pid.field(8).raw(), "M");
  EXPECT_EQ(message.segments("OBX").size(), 2u);
  EXPECT_EQ(message.segment("OBX", 1).field(5).text(), "two");
}

TEST(Message, CountsMshFieldsAsTheStandardDoes) {
  const Message message = parsed(kAdt);
  const Segment msh = message.segment("MSH");
  EXPECT_EQ(msh.field(1).raw(), "|");
  EXPECT_EQ(msh.field(2).raw(), "^~\\&");
  EXPECT_EQ(msh.field(2).text(), "^~\\&");
  EXPECT_EQ(msh.field(2).repetition_count(), 1u);
  EXPECT_EQ(msh.field(2).component(1).raw(), "^~\\&");
  EXPECT_EQ(msh.field(3).text(), "HIS");
  EXPECT_EQ(msh.field(12).text(), "2.5");
  EXPECT_EQ(msh.field_count(), 12u);
}

TEST(Message, WhatIsAbsentIsEmptyAtEveryDepth) {
  const Message message = parsed(kAdt);
  EXPECT_FALSE(message.segment("ZZZ").exists());
  EXPECT_EQ(message.segment("ZZZ").field(3).repetition(0).component(1).subcomponent(1).text(), "");
  EXPECT_EQ(message.segment("ZZZ").field(3).repetition_count(), 0u);
  EXPECT_EQ(message.segment("PID").field(99).text(), "");
  EXPECT_EQ(message.segment("PID").field(99).repetition_count(), 0u);
  EXPECT_EQ(message.segment("PID").field(99).repetitions().size(), 0u);
  EXPECT_EQ(message.segment("PID").field(0).raw(), "");
  EXPECT_EQ(message.segment("PID").field(3).repetition(7).component(1).raw(), "");
  EXPECT_EQ(message.segment("PID").field(5).component(0).raw(), "");
  EXPECT_EQ(message.segment("PID").field(5).component(1).subcomponent(2).raw(), "");
  EXPECT_EQ(message.segment_at(99).id(), "");
}

TEST(Message, PathsReachTheSameElements) {
  const Message message = parsed(kAdt);
  EXPECT_EQ(message.get("PID-3"), "42^^^HOSP^PI");
  EXPECT_EQ(message.get("PID-3.1"), "42");
  EXPECT_EQ(message.get("PID-3[1].4"), "HOSP");
  EXPECT_EQ(message.get("PID-3[2].1"), "43");
  EXPECT_EQ(message.get("PID-3[2].4.3"), "ISO");
  EXPECT_EQ(message.get("OBX[2]-5"), "two");
  EXPECT_EQ(message.get("OBX[3]-5"), "");
  EXPECT_EQ(message.get("MSH-9.2"), "A01");
  EXPECT_EQ(message.raw("PID-3[2].4"), "CITY&1.2.3&ISO");
}

TEST(Path, IsReadAndWrittenOrRefused) {
  for (const std::string_view text : {"PID-3", "PID-3[2].4", "OBX[5]-5.1.2", "ZA1-12"}) {
    const Result<Path> path = Path::parse(text);
    ASSERT_TRUE(path) << text;
    EXPECT_EQ(path->text(), text);
  }
  for (const std::string_view text : {"", "PID", "PID-", "PID-0", "pid-3", "PID-3.", "PID-3.0", "PID-3[0]", "PID-3[1",
                                      "PIDX-3", "PID[]-3", "PID-3.1.2.3", "PID-3 ", "1ID-3", "PID-99999999"}) {
    EXPECT_FALSE(Path::parse(text)) << text;
  }
}

TEST(Message, TellsWhereEveryElementStands) {
  const Message message = parsed(kAdt);
  const SubComponent sub = message.segment("PID").field(3).repetition(1).component(4).subcomponent(2);
  const Location where = sub.location();
  EXPECT_EQ(where.text(), "PID[1]-3[2].4.2");
  EXPECT_EQ(kAdt.substr(where.offset, 5), "1.2.3");
  EXPECT_EQ(message.segment("OBX", 1).location().text(), "OBX[2]");
  EXPECT_EQ(message.segment("OBX", 1).field(5).location().text(), "OBX[2]-5");
  const Location by_path = message.location("OBX[2]-5");
  EXPECT_EQ(kAdt.substr(by_path.offset, 3), "two");
  EXPECT_EQ(by_path.segment_occurrence, 2u);
  EXPECT_EQ(message.location("ZZZ-1").text(), "ZZZ[1]-1");
}

TEST(Message, NullIsNoText) {
  const Message message = parsed("MSH|^~\\&|||||||ADT^A08|1|P|2.5\rPID|1||9||\"\"|\"\"^x\r");
  EXPECT_TRUE(message.segment("PID").field(5).is_null());
  EXPECT_EQ(message.get("PID-5"), "");
  EXPECT_EQ(message.raw("PID-5"), "\"\"");
  EXPECT_TRUE(message.segment("PID").field(6).component(1).is_null());
  EXPECT_EQ(message.get("PID-6.2"), "x");
}

// --- segments and their ends

TEST(Message, SegmentsMayEndInCrLfOrBothEvenMixed) {
  const std::string crs(kAdt);
  for (const std::string_view end : {"\r", "\n", "\r\n", "\n\r", "\r\r", "\r\n\r\n", "\n\n"}) {
    std::string bytes;
    for (const char c : crs) c == '\r' ? bytes.append(end) : bytes.append(1, c);
    const Message message = parsed(bytes);
    EXPECT_EQ(message.segment_count(), 5u);
    EXPECT_EQ(message.get("OBX[2]-5"), "two");
    EXPECT_EQ(message.get("MSH-12"), "2.5");
    EXPECT_EQ(message.bytes(), bytes);
  }
  const Message mixed = parsed("MSH|^~\\&|a\rPID|1\nPV1|1|I\r\nOBX|1");
  EXPECT_EQ(mixed.segment_count(), 4u);
  EXPECT_EQ(mixed.get("PV1-2"), "I");
}

TEST(Message, ALineFeedThatNoSegmentFollowsIsText) {
  const Message message = parsed("MSH|^~\\&|a\rOBX|1|TX|c||first line\nsecond line\n\n- third|x\rNTE|1\r");
  EXPECT_EQ(message.segment_count(), 3u);
  EXPECT_EQ(message.get("OBX-5"), "first line\nsecond line\n\n- third");
  EXPECT_EQ(message.get("OBX-6"), "x");
}

TEST(Message, BlankLinesMarksAndFramingLeftoversAreNoSegments) {
  const Message message = parsed("\xEF\xBB\xBF\r\n MSH|^~\\&|a\r\r\n  PID|1\r \r\x1C\r\n");
  EXPECT_EQ(message.segment_count(), 2u);
  EXPECT_EQ(message.segment_at(1).id(), "PID");
  EXPECT_EQ(parsed("MSH|^~\\&|a\rPV1|1|I\x1C").get("PV1-2"), "I");
  EXPECT_EQ(parsed("MSH|^~\\&|a\rPV1|1|I\x1C\r\n").get("PV1-2"), "I");
  EXPECT_EQ(parsed(std::string("MSH|^~\\&|a\0\0\0", 13)).get("MSH-3"), "a");
  EXPECT_EQ(peek_header(std::string_view("MSH|^~\\&|a\0\0\0", 13))->sending_application(), "a");
  EXPECT_EQ(parsed("MSH|^~\\&|a").segment_count(), 1u);
}

TEST(Message, SegmentsWithoutFieldsAndWithOddIdsAreKept) {
  const Message message = parsed("MSH|^~\\&|a\rPID\rPIDX|1\rPV|2\rzzz|3\r|4\rBTS\r");
  EXPECT_EQ(message.segment_count(), 7u);
  EXPECT_EQ(message.segment_at(1).id(), "PID");
  EXPECT_EQ(message.segment_at(1).field_count(), 0u);
  EXPECT_EQ(message.get("PID-1"), "");
  EXPECT_EQ(message.segment_at(2).id(), "PIDX");
  EXPECT_EQ(message.segment_at(5).id(), "");
  EXPECT_EQ(message.segment_at(5).field(1).text(), "4");
}

// --- delimiters

TEST(Message, OtherDelimitersAreObeyed) {
  const Message message =
      parsed("MSH$%*!@$SND$HOSP$M$H$2026$$ADT%A08$D1$P$2.5\rPID$1$$77%%%HOSP@1%PI*78$$O|N!S!l%S^n\r");
  EXPECT_EQ(message.get("MSH-9.2"), "A08");
  EXPECT_EQ(message.get("PID-3[1].4.2"), "1");
  EXPECT_EQ(message.get("PID-3[2].1"), "78");
  EXPECT_EQ(message.get("PID-5.1"), "O|N%l");
  EXPECT_EQ(message.get("PID-5.2"), "S^n");
}

TEST(Delimiters, TheTruncationCharacterOfV27IsKnown) {
  const Message message = parsed("MSH|^~\\&#|a|||||||||||2.7\rPID|1||x\\P\\y#\r");
  EXPECT_EQ(message.delimiters().truncation, '#');
  EXPECT_EQ(message.get("PID-3"), "x#y#");
  EXPECT_EQ(message.segment("MSH").field(2).raw(), "^~\\&#");
}

TEST(Delimiters, ShortAndDoubledFormsAreReadAsTheyAreMeant) {
  const Delimiters without_escape = parse_delimiters('|', "^~&").value();
  EXPECT_EQ(without_escape.escape, 0);
  EXPECT_EQ(without_escape.subcomponent, '&');
  EXPECT_EQ(without_escape.encoding_characters(), "^~&");
  EXPECT_EQ(parse_delimiters('|', "^~\\\\&").value(), Delimiters{});
  const Delimiters only = parse_delimiters('|', "^").value();
  EXPECT_EQ(only.repetition, 0);
  EXPECT_EQ(parse_delimiters('|', "^\\&").value().escape, '\\');
}

TEST(Delimiters, WhatCannotSeparateIsRefused) {
  for (const std::string_view msh2 :
       {"", "^~y&", "^^\\&", "^~\\|", "^~\\ ", "000", "^~\\&#!", "^\xFF\x80&", "^~\\\n"}) {
    EXPECT_FALSE(parse_delimiters('|', msh2)) << msh2;
  }
  EXPECT_FALSE(parse_delimiters('A', "^~\\&"));
  EXPECT_FALSE(parse_delimiters(' ', "^~\\&"));
  EXPECT_FALSE(parse_delimiters('\r', "^~\\&"));
}

TEST(Message, AMessageWithoutSomeDelimitersHasNoSuchParts) {
  const Message message = parsed("MSH|^|a\rPID|1||x~y&z^2\\F\\\r");
  EXPECT_EQ(message.get("PID-3.1"), "x~y&z");
  EXPECT_EQ(message.get("PID-3.2"), "2\\F\\");
  EXPECT_EQ(message.segment("PID").field(3).repetition_count(), 1u);
  EXPECT_EQ(message.segment("PID").field(3).repetitions().size(), 1u);
  EXPECT_EQ(message.get("PID-3[2]"), "");
  EXPECT_EQ(message.get("PID-3.1.1"), "x~y&z");
  EXPECT_EQ(message.get("PID-3.1.2"), "");
}

TEST(Message, BytesThatAreNoHl7AreRefused) {
  for (const std::string_view bytes :
       {"", "HELLO WORLD", "MSH", "MS", "PID|1", "MSH|", "MSH|\r", "\x19MSH|^~\\&|a", "msh|^~\\&|a", "MSHA^~\\&Aa"}) {
    const Result<Message> message = Message::parse(std::string(bytes));
    ASSERT_FALSE(message) << bytes;
    EXPECT_EQ(message.error().code, Errc::kRefused);
  }
}

TEST(Message, LimitsAreHeldWhileParsing) {
  const std::string head = "MSH|^~\\&|a\r";
  const ParseOptions tight{.segments_max = 3, .fields_per_segment_max = 5, .encoding = {}, .undeclared_default = {}};
  EXPECT_TRUE(Message::view(head + "A01|1|2|3|4|5\rA02\r", tight));
  EXPECT_EQ(Message::view(head + "A01|1|2|3|4|5|6\r", tight).error().code, Errc::kTooLarge);
  EXPECT_EQ(Message::view(head + "A01\rA02\rA03\r", tight).error().code, Errc::kTooLarge);
  EXPECT_EQ(Message::view(head + "PID" + std::string(50'000'000, '|')).error().code, Errc::kTooLarge);
}

TEST(Message, SurvivesBeingMoved) {
  Message first = Message::parse("MSH|^~\\&|short").value();
  const Message second = std::move(first);
  EXPECT_EQ(second.get("MSH-3"), "short");
}

// --- character sets

TEST(Message, EveryJisX0208CharacterStandsUnharmedAtEveryDepth) {
  const charset::JisTables& tables = charset::JisTables::get();
  for (const charset::Encoding encoding : {charset::Encoding::kIso2022Jp, charset::Encoding::kShiftJis,
                                           charset::Encoding::kEucJp, charset::Encoding::kUtf8}) {
    for (unsigned first = 0x21; first <= 0x74; ++first) {
      for (unsigned second = 0x21; second <= 0x7E; ++second) {
        const char16_t c = tables.from_0208(first, second);
        if (c == 0) continue;
        std::string utf8;
        charset::append_utf8(c, utf8);
        const std::string k = charset::encode(encoding, utf8).value();
        const std::string bytes = "MSH|^~\\&|" + k + "||||||ADT^A01|1|P|2.5||||||" +
                                  std::string(charset::msh18(encoding)) + "\rPID|" + k + "|" + k + "~" + k + "^" + k +
                                  "&" + k + "\\F\\" + k + "|" + k + "\r" + k + "|" + k;
        const Result<Message> message =
            Message::view(bytes, {.segments_max = kHl7SegmentsMax, .encoding = encoding, .undeclared_default = {}});
        ASSERT_TRUE(message) << utf8;
        ASSERT_EQ(message->segment_count(), 3u) << utf8 << " in " << charset::name(encoding);
        ASSERT_EQ(message->get("MSH-3"), utf8) << charset::name(encoding);
        ASSERT_EQ(message->get("PID-1"), utf8) << charset::name(encoding);
        ASSERT_EQ(message->get("PID-2[1]"), utf8) << charset::name(encoding);
        ASSERT_EQ(message->get("PID-2[2].1"), utf8) << charset::name(encoding);
        ASSERT_EQ(message->get("PID-2[2].2.1"), utf8) << charset::name(encoding);
        ASSERT_EQ(message->get("PID-2[2].2.2"), utf8 + "|" + utf8) << charset::name(encoding);
        ASSERT_EQ(message->get("PID-3"), utf8) << charset::name(encoding);
        ASSERT_EQ(message->segment_at(2).field(1).text(), utf8) << charset::name(encoding);
      }
    }
  }
}

TEST(Message, TheKanjiThatBreakByteSplittersComeThroughByDetectionAlone) {
  const std::string text = "山本^京子|糖尿病|骨折";
  for (const charset::Encoding encoding : {charset::Encoding::kIso2022Jp, charset::Encoding::kShiftJis,
                                           charset::Encoding::kEucJp, charset::Encoding::kUtf8}) {
    const std::string body = charset::encode(encoding, "PID|1||42||" + text + "|表示ソフト^能力\r").value();
    for (const std::string_view declared : {"~ISO IR87", "UNICODE UTF-8", "", "Shift_JIS"}) {
      const Message message = parsed("MSH|^~\\&|a||||||ADT^A01|1|P|2.5||||||" + std::string(declared) + "\r" + body);
      EXPECT_EQ(message.encoding(), encoding);
      EXPECT_EQ(message.get("PID-5.1"), "山本") << charset::name(encoding) << " as " << declared;
      EXPECT_EQ(message.get("PID-5.2"), "京子");
      EXPECT_EQ(message.get("PID-6"), "糖尿病");
      EXPECT_EQ(message.get("PID-7"), "骨折");
      EXPECT_EQ(message.get("PID-8.1"), "表示ソフト");
      EXPECT_EQ(message.get("PID-8.2"), "能力");
    }
  }
}

TEST(Message, KanjiInMshBeforeMsh18AreSplitRightly) {
  for (const charset::Encoding encoding : {charset::Encoding::kIso2022Jp, charset::Encoding::kShiftJis}) {
    const std::string name = charset::encode(encoding, "糖尿病ソ表").value();
    const std::string set(charset::msh18(encoding));
    const Message message =
        parsed("MSH|^~\\&|" + name + "|" + name + "^1|||||ADT^A01|77|P|2.5||||||" + set + "\rPID|1\r");
    EXPECT_EQ(message.get("MSH-3"), "糖尿病ソ表");
    EXPECT_EQ(message.get("MSH-4.2"), "1");
    EXPECT_EQ(message.get("MSH-10"), "77");
    const Header header = peek_header(message.bytes()).value();
    EXPECT_EQ(header.control_id(), "77");
    EXPECT_EQ(header.sending_application(), name);
    EXPECT_EQ(header.component(4, 2), "1");
  }
}

TEST(Message, TheEncodingThatWasFoundBeforeCanBeGiven) {
  const std::string bytes = "MSH|^~\\&|a||||||ADT^A01|1|P|2.5\rPID|1||\x83\x5C^x\r";
  const ParseOptions options{.encoding = charset::Encoding::kShiftJis, .undeclared_default = {}};
  EXPECT_EQ(Message::view(bytes, options).value().get("PID-3.1"), "ソ");
}

// --- escape sequences

const TextCoding kUtf8Coding{Delimiters{}, charset::Encoding::kUtf8};

TEST(Escape, EverySequenceIsResolvedOnce) {
  const auto decoded = [](std::string_view raw) { return decode_text(raw, kUtf8Coding); };
  EXPECT_EQ(decoded(R"(A\T\B\S\C)"), "A&B^C");
  EXPECT_EQ(decoded(R"(D\F\E\R\F)"), "D|E~F");
  EXPECT_EQ(decoded(R"(bs \E\)"), "bs \\");
  EXPECT_EQ(decoded(R"(\E\F\E\)"), "\\F\\");
  EXPECT_EQ(decoded(R"(line1\.br\line2 \H\bold\N\)"), "line1\nline2 bold");
  EXPECT_EQ(decoded(R"(\X0D0A\|\XE6BCA2\)"), "\r\n|漢");
  EXPECT_EQ(decoded(R"(a\.sp2\b\.sk3\c\.in+4\d\.ti-2\e\.fi\\.nf\f\.ce\g\.sp\h)"), "a\n\nb   cdef\ng\nh");
}

TEST(Escape, WhatIsNoSequenceStaysAsItIs) {
  for (const std::string_view raw : {R"(C:\dir\file)", R"(\Zab\)", R"(a\)", R"(\\)", R"(\X1\)", R"(\XGG\)", R"(\.zz\)",
                                     R"(\P\)", R"(\f\)", R"(\X\)", R"(\.sp x\)", R"(\C2842\)"}) {
    EXPECT_EQ(decode_text(raw, kUtf8Coding), raw);
  }
  EXPECT_EQ(decode_text(R"(C:\dir\F\x)", kUtf8Coding), "C:\\dir|x");
}

TEST(Escape, HexBytesAreOfTheMessagesCharacterSet) {
  EXPECT_EQ(decode_text(R"(\X8A77\)", {Delimiters{}, charset::Encoding::kShiftJis}), "学");
  EXPECT_EQ(decode_text(R"(caf\XE9\)", {Delimiters{}, charset::Encoding::kIso8859_1}), "café");
}

TEST(Escape, SwitchesOfCharacterSetsAreObeyed) {
  const TextCoding coding{Delimiters{}, charset::Encoding::kIso2022Jp};
  EXPECT_EQ(decode_text(R"(\M2442\E|G"IB\C2842\x\F\y)", coding), "糖尿病x|y");
  EXPECT_EQ(decode_text(R"(\M242844\0!\C2842\)", coding), "丂");
}

TEST(Escape, EveryAsciiTextRoundTripsInEveryEncoding) {
  std::string text;
  for (int c = 1; c < 128; ++c) {
    if (c != '\r') text.push_back(static_cast<char>(c));
  }
  text += "山本糖尿病\\F\\|^~\\&";
  for (const charset::Encoding encoding : {charset::Encoding::kUtf8, charset::Encoding::kIso2022Jp,
                                           charset::Encoding::kShiftJis, charset::Encoding::kEucJp}) {
    const TextCoding coding{Delimiters{.truncation = '#'}, encoding};
    const std::string raw = encode_text(text, coding).value();
    EXPECT_EQ(decode_text(raw, coding), text) << charset::name(encoding);
    EXPECT_EQ(raw.find('\r'), std::string::npos);
    EXPECT_EQ(raw.find('\n'), std::string::npos);
  }
}

TEST(Escape, ATextThatCannotBeWrittenIsRefusedNotMangled) {
  const Delimiters bare{.escape = 0};
  EXPECT_FALSE(encode_text("a|b", {bare, charset::Encoding::kUtf8}));
  EXPECT_FALSE(encode_text("a\nb", {bare, charset::Encoding::kUtf8}));
  EXPECT_TRUE(encode_text("ab", {bare, charset::Encoding::kUtf8}));
  EXPECT_FALSE(encode_text("漢", {Delimiters{}, charset::Encoding::kAscii}));
  EXPECT_EQ(encode_text_lossy("漢|", {bare, charset::Encoding::kAscii}), "??");
}

TEST(Escape, HostileRunsAreCheap) {
  std::string raw;
  for (int i = 0; i < 300'000; ++i) raw += "\\a";
  EXPECT_EQ(decode_text(raw, kUtf8Coding), raw);
  std::string feeds = "MSH|^~\\&|a\rOBX|1|TX|c||" + std::string(2'000'000, '\n') + "x\r";
  EXPECT_EQ(parsed(feeds).segment_count(), 2u);
  EXPECT_LE(decode_text(R"(\.sp999999999\)", kUtf8Coding).size(), 1000u);
}

// --- the quick look

TEST(Header, IsReadWithoutTheRest) {
  const Header header = peek_header(kAdt).value();
  EXPECT_TRUE(header.present);
  EXPECT_EQ(header.sending_application(), "HIS");
  EXPECT_EQ(header.receiving_facility(), "HOSP");
  EXPECT_EQ(header.message_type(), "ADT");
  EXPECT_EQ(header.trigger_event(), "A01");
  EXPECT_EQ(header.control_id(), "M1");
  EXPECT_EQ(header.processing_id(), "P");
  EXPECT_EQ(header.version(), "2.5");
  EXPECT_EQ(header.accept_ack_type(), "");
  EXPECT_EQ(kAdt.substr(header.end, 4), "\rEVN");
}

TEST(Header, AgreesWithTheParserOnEveryField) {
  std::string msh = "MSH|^~\\&";
  for (int i = 3; i < 40; ++i) msh += "|f" + std::to_string(i) + "^c~r";
  const Message message = parsed(msh);
  const Header header = peek_header(msh).value();
  for (std::size_t n = 1; n < Header::kFieldsMax; ++n) {
    EXPECT_EQ(header.fields[n], message.segment("MSH").field(n).raw()) << n;
    EXPECT_EQ(header.component(n, 2), n < 3 ? "" : "c") << n;
  }
}

}  // namespace
}  // namespace minato::hl7
