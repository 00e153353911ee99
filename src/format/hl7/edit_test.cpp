#include "format/hl7/edit.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/hl7/batch.h"
#include "format/hl7/build.h"

namespace minato::hl7 {
namespace {

constexpr std::string_view kBytes =
    "\xEF\xBB\xBF\nMSH|^~\\&|HIS|WARD|||2026||ADT^A08|1|P|2.5||||||UNICODE UTF-8\r\n"
    "PID|1||42^^^H~43^^^C&1&ISO|  |Smith^John|\r\r"
    "ZPI|a\n"
    "PV1|1|I\x1C";

TEST(MessageEditor, WithoutAChangeGivesTheSameBytes) {
  const Message message = Message::parse(std::string(kBytes)).value();
  EXPECT_EQ(MessageEditor(message).build(), kBytes);
}

TEST(MessageEditor, ChangesExactlyWhatThePathNames) {
  const Message message = Message::parse(std::string(kBytes)).value();
  const auto changed = [&](const Path& path, std::string_view text, std::string_view from, std::string_view to) {
    MessageEditor editor(message);
    const Status status = editor.set(path, text);
    ASSERT_TRUE(status) << status.error().what;
    std::string expected(kBytes);
    expected.replace(expected.find(from), from.size(), to);
    EXPECT_EQ(editor.build(), expected) << path.text();
  };
  changed("PID-5.1", "山本|太郎", "Smith^", "山本\\F\\太郎^");
  changed("PID-5.2", "", "Smith^John", "Smith^");
  changed("PID-3[2].4.2", "2", "C&1&ISO", "C&2&ISO");
  changed("PID-3[1].1", "9", "42^^^H", "9^^^H");
  changed("PID-3", "9", "42^^^H~", "9~");
  changed("PID-3[4].2", "x", "C&1&ISO", "C&1&ISO~~^x");
  changed("PID-8.3.2", "x", "Smith^John|", "Smith^John|||^^&x");
  changed("PV1-4", "y", "PV1|1|I", "PV1|1|I||y");
  changed("ZPI-1", "b", "ZPI|a", "ZPI|b");
  changed("MSH-3", "LAB", "|HIS|", "|LAB|");
  changed("MSH-18", "8859/1", "UNICODE UTF-8", "8859/1");
}

TEST(MessageEditor, ChangesBuildOnOneAnother) {
  const Message message = Message::parse(std::string(kBytes)).value();
  MessageEditor editor(message);
  EXPECT_TRUE(editor.set("PID-5.1", "A"));
  EXPECT_TRUE(editor.set("PID-5.1", "B"));
  EXPECT_TRUE(editor.set_raw("PID-6.1", "x&y"));
  EXPECT_TRUE(editor.set_field_raw("PID-3", "1~2"));
  EXPECT_TRUE(editor.insert_segment_after(3, "ZZ1|new"));
  EXPECT_TRUE(editor.insert_segment_after(1, "PD1|1"));
  EXPECT_TRUE(editor.set("PD1-4", "dr"));
  EXPECT_TRUE(editor.remove_segment("ZPI", 0));
  const Message after = Message::parse(editor.build()).value();
  EXPECT_EQ(after.get("PID-5.1"), "B");
  EXPECT_EQ(after.get("PID-6.1.2"), "y");
  EXPECT_EQ(after.get("PID-3[2]"), "2");
  EXPECT_EQ(after.get("PD1-4"), "dr");
  EXPECT_EQ(after.get("ZZ1-1"), "new");
  EXPECT_EQ(after.get("PV1-2"), "I");
  EXPECT_FALSE(after.segment("ZPI").exists());
  EXPECT_EQ(after.segment_count(), 5u);
}

TEST(MessageEditor, WhatItCannotDoItRefusesAndChangesNothing) {
  const Message message = Message::parse(std::string(kBytes)).value();
  MessageEditor editor(message);
  EXPECT_EQ(editor.set("MSH-1", "$").error().code, Errc::kRefused);
  EXPECT_EQ(editor.set("MSH-2", "$").error().code, Errc::kRefused);
  EXPECT_EQ(editor.set("ZZZ-1", "x").error().code, Errc::kNotFound);
  EXPECT_EQ(editor.set("PID[2]-1", "x").error().code, Errc::kNotFound);
  EXPECT_EQ(editor.set("PID-99999", "x").error().code, Errc::kTooLarge);
  EXPECT_EQ(editor.set("PID-3[99999]", "x").error().code, Errc::kTooLarge);
  EXPECT_EQ(editor.set("PID-3.99999", "x").error().code, Errc::kTooLarge);
  EXPECT_EQ(editor.set_raw("PID-3", "a\rZZZ|").error().code, Errc::kRefused);
  EXPECT_EQ(editor.insert_segment_after(9, "PD1|").error().code, Errc::kNotFound);
  EXPECT_EQ(editor.insert_segment_after(0, "pd1|").error().code, Errc::kRefused);
  EXPECT_EQ(editor.insert_segment_after(0, "PD1|\rPID|").error().code, Errc::kRefused);
  EXPECT_EQ(editor.remove_segment("MSH", 0).error().code, Errc::kRefused);
  EXPECT_EQ(editor.remove_segment("PID", 1).error().code, Errc::kNotFound);
  EXPECT_EQ(editor.build(), kBytes);
  const Message ascii = Message::parse("MSH|^|a\rPID|1||x\r").value();
  MessageEditor bare(ascii);
  EXPECT_EQ(bare.set("PID-3", "漢").error().code, Errc::kRefused);
  EXPECT_EQ(bare.set("PID-3[2]", "x").error().code, Errc::kRefused);
  EXPECT_EQ(bare.set("PID-3.1.2", "x").error().code, Errc::kRefused);
  EXPECT_TRUE(bare.set("PID-3.2", "y"));
  EXPECT_EQ(bare.build(), "MSH|^|a\rPID|1||x^y\r");
}

TEST(MessageEditor, PutsNothingBehindTextThatDoesNotShiftBack) {
  const Message message =
      Message::parse("MSH|^~\\&|a||||||ADT^A01|1|P|2.5||||||~ISO IR87\rPID|1|\x1B$B;3K\\\rPV1|1\r").value();
  MessageEditor editor(message);
  EXPECT_EQ(editor.set("PID-4", "x").error().code, Errc::kRefused);
  EXPECT_EQ(editor.set("PID-2.2", "x").error().code, Errc::kRefused);
  EXPECT_EQ(editor.build(), message.bytes());
  EXPECT_TRUE(editor.set("PID-2", "x"));
  EXPECT_TRUE(editor.set("PID-4", "y"));
}

TEST(MessageEditor, LineBreaksInATextDoNotEndItsSegment) {
  const Message message = Message::parse(std::string(kBytes)).value();
  MessageEditor editor(message);
  ASSERT_TRUE(editor.set("PID-5.1", "a\r\nb\rPID|1\nc"));
  const Message after = Message::parse(editor.build()).value();
  EXPECT_EQ(after.segment_count(), message.segment_count());
  EXPECT_EQ(after.get("PID-5.1"), "a\nb\rPID|1\nc");
}

TEST(MessageEditor, WorksOnTheBytesOfEveryJapaneseEncoding) {
  for (const charset::Encoding encoding : {charset::Encoding::kIso2022Jp, charset::Encoding::kShiftJis,
                                           charset::Encoding::kEucJp, charset::Encoding::kUtf8}) {
    const std::string bytes =
        charset::encode(encoding, "MSH|^~\\&|a||||||ADT^A01|1|P|2.5||||||" + std::string(charset::msh18(encoding)) +
                                      "\rPID|1||糖尿病~表^能力&ソ|山本^京子と骨折\rNTE|1||ソ表\r")
            .value();
    const Message message = Message::view(bytes).value();
    MessageEditor editor(message);
    ASSERT_TRUE(editor.set("PID-3[2].2.2", "東京"));
    const std::string edited = editor.build();
    std::string expected = bytes;
    const std::string from = charset::encode(encoding, "ソ").value();
    expected.replace(expected.find(from), from.size(), charset::encode(encoding, "東京").value());
    if (encoding != charset::Encoding::kIso2022Jp) {
      EXPECT_EQ(edited, expected) << charset::name(encoding);
    }
    const Message after = Message::view(edited).value();
    EXPECT_EQ(after.get("PID-3[2].2.2"), "東京") << charset::name(encoding);
    EXPECT_EQ(after.get("PID-3[2].2.1"), "能力");
    EXPECT_EQ(after.get("PID-3[1]"), "糖尿病");
    EXPECT_EQ(after.get("PID-4.2"), "京子と骨折");
    EXPECT_EQ(after.raw("NTE-3"), message.raw("NTE-3"));
  }
}

// Whatever is written anywhere is read back there, and everything else stays.
RC_GTEST_PROP(MessageEditorProperty, WhatIsSetIsReadBackAndNothingElseMoves, ()) {
  const auto text =
      *rc::gen::container<std::string>(rc::gen::element<char>('a', '|', '^', '~', '\\', '&', '\n', 'X', ' ', '.'));
  const auto field = *rc::gen::inRange(1, 12);
  const auto repetition = *rc::gen::inRange(1, 4);
  const auto component = *rc::gen::inRange(1, 5);
  const Message message = Message::parse("MSH|^~\\&|a\rPID|1|2^3&4|5~6^7~8||9\rPV1|1|I\r").value();
  const std::string written =
      "PID-" + std::to_string(field) + "[" + std::to_string(repetition) + "]." + std::to_string(component);
  const Path path = Path::parse(written).value();
  MessageEditor editor(message);
  RC_ASSERT(editor.set(path, text).has_value());
  const std::string bytes = editor.build();
  const Message after = Message::view(bytes).value();
  RC_ASSERT(after.get(path) == text);
  RC_ASSERT(after.segment_count() == 3u);
  RC_ASSERT(after.segment("PV1").raw() == message.segment("PV1").raw());
  for (std::size_t n = 1; n <= 5; ++n) {
    if (static_cast<int>(n) != field)
      RC_ASSERT(after.segment("PID").field(n).raw() == message.segment("PID").field(n).raw());
  }
}

// --- builder

TEST(MessageBuilder, WritesWhatTheParserReads) {
  for (const charset::Encoding encoding : {charset::Encoding::kIso2022Jp, charset::Encoding::kShiftJis,
                                           charset::Encoding::kEucJp, charset::Encoding::kUtf8}) {
    MessageBuilder builder({.delimiters = {}, .encoding = encoding});
    builder.segment("MSH")
        .field(3, "HIS")
        .components(9, {"ADT", "A01", "ADT_A01"})
        .field(10, "7")
        .field(11, "P")
        .field(12, "2.5");
    builder.segment("PID")
        .components(5, {"山本", "京子", "", "", "", "", "L", "I", ""})
        .repeat({"ヤマモト", "キョウコ"})
        .field(3, "a|b^c");
    builder.segment("NTE").raw(3, "x^y").field(2, "");
    const std::string bytes = builder.build().value();
    const Message message = Message::view(bytes).value();
    EXPECT_EQ(message.encoding(), encoding);
    EXPECT_EQ(message.charset().warning, charset::Warning::kNone);
    EXPECT_EQ(message.get("PID-3"), "a|b^c");
    EXPECT_EQ(message.get("PID-5[1].2"), "京子");
    EXPECT_EQ(message.get("PID-5[1].8"), "I");
    EXPECT_EQ(message.segment("PID").field(5).repetition(0).component_count(), 8u);
    EXPECT_EQ(message.get("PID-5[2].1"), "ヤマモト");
    EXPECT_EQ(message.get("NTE-3.2"), "y");
    EXPECT_EQ(message.get("MSH-18[2]"), encoding == charset::Encoding::kIso2022Jp ? "ISO IR87" : "");
  }
}

TEST(MessageBuilder, WritesTheExactBytes) {
  MessageBuilder builder({.delimiters = {.component = '%', .repetition = '*'},
                          .encoding = charset::Encoding::kAscii,
                          .terminator = "\r\n"});
  builder.segment("MSH").field(12, "2.5").components(9, {"ADT", "A01"});
  builder.segment("PID").field(1, "%*");
  EXPECT_EQ(builder.build().value(), "MSH|%*\\&|||||||ADT%A01|||2.5\r\nPID|\\S\\\\R\\\r\n");
}

TEST(MessageBuilder, KeepsItsFirstFault) {
  EXPECT_FALSE(MessageBuilder().build());
  EXPECT_FALSE(MessageBuilder().segment("PID").field(1, "x").build());
  EXPECT_FALSE(MessageBuilder().field(1, "x").segment("MSH").build());
  EXPECT_FALSE(MessageBuilder().segment("MSH").field(2, "x").build());
  EXPECT_FALSE(MessageBuilder().segment("MSH").repeat({"x"}).build());
  EXPECT_FALSE(MessageBuilder().segment("MSH").segment("pid").build());
  EXPECT_FALSE(MessageBuilder().segment("MSH").raw(3, "a\rb").build());
  EXPECT_FALSE(
      MessageBuilder({.delimiters = {}, .encoding = charset::Encoding::kAscii}).segment("MSH").field(3, "漢").build());
}

// --- batches

std::string told(const Batch& batch) {
  std::string out = std::to_string(batch.messages.size());
  for (const BatchProblem problem : batch.problems) out += " " + std::string(name(problem));
  return out;
}

const std::string kMsh = "MSH|^~\\&|a\rPID|1\r";

TEST(Batch, IsSplitIntoItsMessages) {
  const std::string bytes = "FHS|^~\\&|x\rBHS|^~\\&|y\r" + kMsh + kMsh + "BTS|2\rFTS|1\r";
  const Batch batch = split_batch(bytes);
  EXPECT_EQ(told(batch), "2");
  EXPECT_EQ(batch.kind, BatchKind::kFile);
  EXPECT_EQ(batch.file_header, "FHS|^~\\&|x");
  ASSERT_EQ(batch.batch_headers.size(), 1u);
  EXPECT_EQ(batch.batch_headers[0], "BHS|^~\\&|y");
  EXPECT_EQ(batch.messages[0], kMsh);
  EXPECT_EQ(batch.messages[1], kMsh);
}

TEST(Batch, ASingleMessageIsAllOfItsBytes) {
  const std::string bytes = "\xEF\xBB\xBF\r\n" + kMsh + "\x1C";
  const Batch batch = split_batch(bytes);
  EXPECT_EQ(batch.kind, BatchKind::kSingle);
  EXPECT_EQ(batch.messages.at(0), bytes);
  EXPECT_EQ(told(split_batch("HELLO WORLD")), "1 stray-content no-messages");
  EXPECT_EQ(told(split_batch("")), "1 no-messages");
}

TEST(Batch, SeveralMessagesNeedNoBatchSegments) {
  const std::string lines = "MSH|^~\\&|a\nPID|1\n\nMSH|^~\\&|b\r\nPID|2\r\nMSHX|3\r\n";
  const Batch batch = split_batch(lines);
  EXPECT_EQ(batch.kind, BatchKind::kSeveral);
  ASSERT_EQ(batch.messages.size(), 2u);
  EXPECT_EQ(batch.messages[1], "MSH|^~\\&|b\r\nPID|2\r\nMSHX|3\r\n");
}

TEST(Batch, CountsAndPairsAreChecked) {
  EXPECT_EQ(told(split_batch("BHS|^~\\&\r" + kMsh + "BTS|2\r")), "1 message-count-differs");
  EXPECT_EQ(told(split_batch("BHS|^~\\&\r" + kMsh + "BTS\r")), "1");
  EXPECT_EQ(told(split_batch("BHS|^~\\&\r" + kMsh + "BTS|x\r")), "1");
  EXPECT_EQ(told(split_batch("FHS|^~\\&\r" + kMsh + "FTS|1\r")), "1");
  EXPECT_EQ(told(split_batch("FHS|^~\\&\r" + kMsh + "FTS|3\r")), "1 batch-count-differs");
  EXPECT_EQ(told(split_batch("FHS|^~\\&\r" + kMsh)), "1 trailer-missing");
  EXPECT_EQ(told(split_batch(kMsh + "BTS|1\r")), "1 header-missing");
  EXPECT_EQ(told(split_batch("BHS|^~\\&\rBTS|0\r")), "0 no-messages");
  EXPECT_EQ(told(split_batch("BHS|^~\\&\rPID|1\r" + kMsh + "BTS|1\rPV1|\r")), "1 stray-content");
  EXPECT_EQ(told(split_batch("BHS|^~\\&\r" + kMsh + "BHS|^~\\&\r" + kMsh + kMsh + "BTS|2\r")), "3 trailer-missing");
}

TEST(Batch, ManyLinesAreReadInLinearTime) {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes += "PID|1\n";
  EXPECT_EQ(split_batch(kMsh + bytes).messages.size(), 1u);
  std::string many;
  for (std::size_t i = 0; i < kHl7BatchMessagesMax + 5; ++i) many += "MSH|\r";
  EXPECT_EQ(told(split_batch(many)), "100000 too-many-messages");
}

}  // namespace
}  // namespace minato::hl7
