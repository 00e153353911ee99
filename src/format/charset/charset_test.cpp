#include "format/charset/charset.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/charset/detect.h"
#include "format/charset/jis.h"
#include "format/charset/scan.h"
#include "format/charset/utf8.h"

namespace minato::charset {
namespace {

struct Kanji {
  unsigned first;
  unsigned second;
  std::string utf8;
};

// Every character of JIS X 0208: rows 1-8 and 16-84 as the standard assigns them, without what cp932 adds.
std::vector<Kanji> all_jis_x0208() {
  std::vector<Kanji> all;
  for (unsigned first = 0x21; first <= 0x74; ++first) {
    const bool unassigned = first >= 0x29 && first <= 0x2F;
    for (unsigned second = 0x21; second <= 0x7E && !unassigned; ++second) {
      const char16_t c = JisTables::get().from_0208(first, second);
      if (c == 0) continue;
      std::string utf8;
      append_utf8(c, utf8);
      all.push_back({first, second, utf8});
    }
  }
  return all;
}

bool is_delimiter(unsigned byte) { return byte == '|' || byte == '^' || byte == '~' || byte == '\\' || byte == '&'; }

TEST(JisTables, HoldAll6879CharactersOfJisX0208) { EXPECT_EQ(all_jis_x0208().size(), 6879u); }

TEST(JisTables, KnowThe582CharactersThatHoldADelimiterByte) {
  const auto all = all_jis_x0208();
  const auto count = std::count_if(all.begin(), all.end(),
                                   [](const Kanji& k) { return is_delimiter(k.first) || is_delimiter(k.second); });
  EXPECT_EQ(count, 582);
}

TEST(Charset, EveryJisX0208CharacterRoundTripsInEveryJapaneseEncoding) {
  for (const Kanji& kanji : all_jis_x0208()) {
    for (const Encoding encoding : {Encoding::kIso2022Jp, Encoding::kShiftJis, Encoding::kEucJp, Encoding::kUtf8}) {
      const Result<std::string> bytes = encode(encoding, kanji.utf8);
      ASSERT_TRUE(bytes) << kanji.utf8 << " in " << name(encoding);
      EXPECT_EQ(decode(encoding, *bytes), kanji.utf8) << name(encoding);
      EXPECT_TRUE(valid(encoding, *bytes));
    }
  }
}

TEST(Charset, Iso2022JpWritesTheStandardsBytes) {
  EXPECT_EQ(encode(Encoding::kIso2022Jp, "糖尿病").value(), "\x1B$BE|G\"IB\x1B(B");
  EXPECT_EQ(encode(Encoding::kIso2022Jp, "a東京b").value(), "a\x1B$BEl5~\x1B(Bb");
  EXPECT_EQ(encode(Encoding::kIso2022Jp, "骨折^").value(), "\x1B$B9|@^\x1B(B^");
}

TEST(Charset, OneNameIsOneTextWhateverItsEncoding) {
  EXPECT_EQ(decode(Encoding::kIso2022Jp, "\x1B$B!]!A!B!o!1!=\x1B(B"), "−〜‖￥￣―");
  EXPECT_EQ(decode(Encoding::kShiftJis, "\x81\x7C\x81\x60\x81\x61\x81\x8F\x81\x50\x81\x5C"), "−〜‖￥￣―");
  EXPECT_EQ(decode(Encoding::kEucJp, "\xA1\xDD\xA1\xC1\xA1\xC2\xA1\xEF\xA1\xB1\xA1\xBD"), "−〜‖￥￣―");
}

TEST(Charset, WindowsTwinsOfAmbiguousCharactersAreAcceptedForEncoding) {
  EXPECT_EQ(encode(Encoding::kShiftJis, "～－∥―￠￡￢").value(), encode(Encoding::kShiftJis, "〜−‖—¢£¬").value());
}

TEST(Charset, Cp932ExtensionsAreDecoded) {
  EXPECT_EQ(decode(Encoding::kShiftJis, "\x87\x40\x87\x8A\xFB\xFC\xEE\xE0\xED\x95\xFA\xB1"), "①㈱髙髙﨑﨑");
  EXPECT_EQ(encode(Encoding::kShiftJis, "①㈱髙﨑").value(), "\x87\x40\x87\x8A\xFB\xFC\xFA\xB1");
  EXPECT_EQ(decode(Encoding::kShiftJis, "\xF0\x40"), "\xEE\x80\x80");  // user-defined: U+E000
  EXPECT_EQ(encode(Encoding::kShiftJis, "\xEE\x80\x80").value(), "\xF0\x40");
}

TEST(Charset, EveryShiftJisPairIsDecodedAndComesBackAsTheSameCharacter) {
  std::size_t assigned = 0;
  for (unsigned lead = 0x81; lead <= 0xFC; ++lead) {
    for (unsigned trail = 0x40; is_sjis_lead(lead) && trail <= 0xFC; ++trail) {
      if (!is_sjis_trail(trail)) continue;
      const std::string bytes{static_cast<char>(lead), static_cast<char>(trail)};
      std::string text;
      if (!decode_to(Encoding::kShiftJis, bytes, text)) continue;
      ++assigned;
      const Result<std::string> back = encode(Encoding::kShiftJis, text);
      ASSERT_TRUE(back) << std::hex << lead << trail;
      EXPECT_EQ(decode(Encoding::kShiftJis, *back), text);
    }
  }
  // JIS X 0208, NEC's 83 special characters, NEC's 374 selected, IBM's 388, 1880 user-defined.
  EXPECT_EQ(assigned, 6879u + 83 + 374 + 388 + 1880);
}

TEST(Charset, SupplementaryKanjiOfJisX0212RoundTrip) {
  EXPECT_EQ(decode(Encoding::kIso2022Jp, "\x1B$(D0!\x1B(B"), "丂");
  EXPECT_EQ(encode(Encoding::kIso2022Jp, "丂").value(), "\x1B$(D0!\x1B(B");
  EXPECT_EQ(encode(Encoding::kEucJp, "丂").value(), "\x8F\xB0\xA1");
  std::size_t count = 0;
  for (unsigned first = 0x21; first <= 0x7E; ++first) {
    for (unsigned second = 0x21; second <= 0x7E; ++second) {
      if (JisTables::get().from_0212(first, second) != 0) ++count;
    }
  }
  EXPECT_GE(count, 6067u);
}

TEST(Charset, HalfWidthKanaAreReadInSevenAndEightBits) {
  EXPECT_EQ(decode(Encoding::kIso2022Jp, "\x1B(I6E\x1B(B"), "ｶﾅ");
  EXPECT_EQ(decode(Encoding::kIso2022Jp, "\xB6\xC5"), "ｶﾅ");
  EXPECT_EQ(decode(Encoding::kShiftJis, "\xB6\xC5"), "ｶﾅ");
  EXPECT_EQ(decode(Encoding::kEucJp, "\x8E\xB6\x8E\xC5"), "ｶﾅ");
  EXPECT_EQ(encode(Encoding::kIso2022Jp, "ｶﾅ").value(), "\x1B(I6E\x1B(B");
  EXPECT_EQ(encode(Encoding::kShiftJis, "ｶﾅ").value(), "\xB6\xC5");
}

TEST(Charset, AControlCharacterReturnsToSingleBytes) {
  EXPECT_EQ(decode(Encoding::kIso2022Jp, "\x1B$B4A\rabc"), "漢\rabc");
  EXPECT_FALSE(valid(Encoding::kIso2022Jp, "\x1B$B4A\rabc"));  // the sender forgot to shift back
  EXPECT_TRUE(valid(Encoding::kIso2022Jp, "\x1B$B4A\x1B(B\rabc"));
}

TEST(Charset, JisRomanReadsItsYenAndOverline) {
  EXPECT_EQ(decode(Encoding::kIso2022Jp, "\x1B(J\\5~\x1B(B\\"), "¥5‾\\");
}

TEST(Charset, NoCharacterBeyondAsciiIsEverWrittenAsADelimiterByteOfItsOwn) {
  for (char32_t c = 0x80; c < 0x10000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string utf8;
    append_utf8(c, utf8);
    for (const Encoding encoding : {Encoding::kIso2022Jp, Encoding::kShiftJis, Encoding::kEucJp, Encoding::kIso8859_1,
                                    Encoding::kGb18030, Encoding::kKsx1001, Encoding::kBig5, Encoding::kCns11643}) {
      const Result<std::string> bytes = encode(encoding, utf8);
      if (!bytes) continue;
      Scanner scanner(encoding, *bytes, '\\');
      ASSERT_FALSE(scanner.next(ByteSet{'|', '^', '~', '\\', '&'}))
          << static_cast<unsigned>(c) << " in " << name(encoding);
    }
  }
}

TEST(Charset, WhatIsNotValidBecomesAReplacementCharacterAndIsReported) {
  std::string out;
  EXPECT_FALSE(decode_to(Encoding::kUtf8, "a\xFFz", out));
  EXPECT_EQ(out, "a\xEF\xBF\xBDz");
  out.clear();
  EXPECT_FALSE(decode_to(Encoding::kAscii, "a\xC3", out));
  EXPECT_EQ(out, "a\xEF\xBF\xBD");
  out.clear();
  EXPECT_FALSE(decode_to(Encoding::kGb18030,
                         "a\xFF"
                         "b",
                         out));
  EXPECT_EQ(out,
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_FALSE(valid(Encoding::kShiftJis, "\x81"));
  EXPECT_FALSE(valid(Encoding::kEucJp, "\xA4"));
  EXPECT_FALSE(valid(Encoding::kKsx1001, "\xB0"));
}

TEST(Charset, Utf8RefusesSurrogatesOverlongFormsAndWhatLiesBeyondUnicode) {
  EXPECT_FALSE(valid_utf8("\xED\xA0\x80"));
  EXPECT_FALSE(valid_utf8("\xC0\xAF"));
  EXPECT_FALSE(valid_utf8("\xE0\x80\xAF"));
  EXPECT_FALSE(valid_utf8("\xF4\x90\x80\x80"));
  EXPECT_TRUE(valid_utf8("\xF0\xA0\xAE\xB7é漢"));
}

TEST(Charset, OtherSetsOfTable0211RoundTrip) {
  struct Case {
    Encoding encoding;
    std::string text;
    std::string bytes;
  };
  const std::vector<Case> cases = {
      {Encoding::kIso8859_1, "Müller", "M\xFCller"},
      {Encoding::kIso8859_2, "Łódź",
       "\xA3\xF3"
       "d\xBC"},
      {Encoding::kIso8859_5, "Иван", "\xB8\xD2\xD0\xDD"},
      {Encoding::kIso8859_7, "Γιώργος", "\xC3\xE9\xFE\xF1\xE3\xEF\xF2"},
      {Encoding::kIso8859_9, "Şükrü", "\xDE\xFCkr\xFC"},
      {Encoding::kIso8859_15, "5 €", "5 \xA4"},
      {Encoding::kGb18030, "张三", "\xD5\xC5\xC8\xFD"},
      {Encoding::kKsx1001, "김영", "\xB1\xE8\xBF\xB5"},
      {Encoding::kBig5, "王", "\xA4\xFD"},
      {Encoding::kGb18030, "\xF0\xA0\xAE\xB7", "\x95\x34\xB2\x35"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(decode(c.encoding, c.bytes), c.text) << name(c.encoding);
    EXPECT_EQ(encode(c.encoding, c.text).value(), c.bytes) << name(c.encoding);
  }
}

TEST(Charset, ACharacterThatTheSetHasNotIsRefusedAtItsOffset) {
  const Result<std::string> refused = encode(Encoding::kIso8859_1, "abc漢");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kRefused);
  EXPECT_NE(refused.error().what.find("byte 3"), std::string::npos);
  EXPECT_EQ(encode_lossy(Encoding::kIso8859_1, "abc漢é"), "abc?\xE9");
  EXPECT_EQ(encode_lossy(Encoding::kIso2022Jp, "\xF0\x9F\x98\x80漢"), "?\x1B$B4A\x1B(B");
  EXPECT_FALSE(encode(Encoding::kUtf8, "\xFF"));
}

// --- names

TEST(CharsetNames, OfTable0211AreKnownHoweverTheyAreWritten) {
  for (const std::string_view text : {"UNICODE UTF-8", "UNICODE UTF8", "utf-8", "UTF8"}) {
    EXPECT_EQ(encoding_named(text), Encoding::kUtf8) << text;
  }
  for (const std::string_view text : {"8859/1", "8859-1", "ISO8859-1", "ISO-8859-1"}) {
    EXPECT_EQ(encoding_named(text), Encoding::kIso8859_1) << text;
  }
  EXPECT_EQ(encoding_named("8859/15"), Encoding::kIso8859_15);
  EXPECT_EQ(encoding_named("ISO IR87"), Encoding::kIso2022Jp);
  EXPECT_EQ(encoding_named("ISOIR87"), Encoding::kIso2022Jp);
  EXPECT_EQ(encoding_named("GB 18030-2000"), Encoding::kGb18030);
  EXPECT_EQ(encoding_named("KS X 1001"), Encoding::kKsx1001);
  EXPECT_EQ(encoding_named("BIG-5"), Encoding::kBig5);
  EXPECT_EQ(encoding_named("CNS 11643-1992"), Encoding::kCns11643);
  EXPECT_EQ(encoding_named("Shift_JIS"), Encoding::kShiftJis);
  EXPECT_EQ(encoding_named("UNICODE UTF-16"), std::nullopt);
  EXPECT_EQ(encoding_named("EBCDIC"), std::nullopt);
  EXPECT_EQ(encoding_named(""), std::nullopt);
  EXPECT_EQ(encoding_named("8859/10"), std::nullopt);
}

TEST(CharsetNames, RepetitionsOfMsh18AreReadTogether) {
  EXPECT_EQ(encoding_declared({.msh18 = "~ISO IR87"}), Encoding::kIso2022Jp);
  EXPECT_EQ(encoding_declared({.msh18 = "ISO IR6~ISO IR14~ISO IR87~ISO IR159"}), Encoding::kIso2022Jp);
  EXPECT_EQ(encoding_declared({.msh18 = "ASCII$ISO IR87", .repetition = '$'}), Encoding::kIso2022Jp);
  EXPECT_EQ(encoding_declared({.msh18 = "8859/1"}), Encoding::kIso8859_1);
  EXPECT_EQ(encoding_declared({.msh18 = ""}), Encoding::kAscii);
  EXPECT_EQ(encoding_declared({.msh18 = "", .msh20 = "ISO 2022-1994"}), Encoding::kIso2022Jp);
  EXPECT_EQ(encoding_declared({.msh18 = "KLINGON"}), std::nullopt);
}

// --- detection

const std::string kJapanese =
    "PID|1||42||山本^京子~ヤマモト^キョウコ|糖尿病と骨折で入院しています。東京都港区鹿ノ門商事株式会社\r";

TEST(CharsetDetect, AnHonestSenderIsBelieved) {
  for (const Encoding encoding : {Encoding::kUtf8, Encoding::kIso2022Jp, Encoding::kShiftJis, Encoding::kEucJp}) {
    const CharsetFinding finding = detect(encode(encoding, kJapanese).value(), {.msh18 = msh18(encoding)});
    EXPECT_EQ(finding.used, encoding);
    EXPECT_EQ(finding.warning, Warning::kNone) << name(encoding);
    EXPECT_TRUE(finding.certain);
  }
}

TEST(CharsetDetect, EveryLieAboutJapaneseTextIsFound) {
  const std::vector<std::string_view> declared = {"UNICODE UTF-8", "~ISO IR87", "Shift_JIS",
                                                  "EUC-JP",        "ASCII",     "8859/1"};
  for (const Encoding truth : {Encoding::kUtf8, Encoding::kIso2022Jp, Encoding::kShiftJis, Encoding::kEucJp}) {
    for (const std::string_view lie : declared) {
      if (encoding_declared({.msh18 = lie}) == truth) continue;
      const CharsetFinding finding = detect(encode(truth, kJapanese).value(), {.msh18 = lie});
      EXPECT_EQ(finding.used, truth) << name(truth) << " declared as " << lie;
      EXPECT_EQ(finding.warning, Warning::kContradicted) << name(truth) << " declared as " << lie;
      EXPECT_EQ(finding.declared, lie);
    }
  }
}

TEST(CharsetDetect, SilenceIsFilledByWhatTheBytesSay) {
  for (const Encoding truth : {Encoding::kUtf8, Encoding::kIso2022Jp, Encoding::kShiftJis, Encoding::kEucJp}) {
    const CharsetFinding finding = detect(encode(truth, kJapanese).value(), {.msh18 = ""});
    EXPECT_EQ(finding.used, truth);
    EXPECT_EQ(finding.warning, Warning::kUndeclared);
  }
}

TEST(CharsetDetect, AShortNameInAnyJapaneseEncodingIsFound) {
  for (const std::string_view text : {"山本^京子", "ソニー^表", "ヤマモト^キョウコ", "糖尿病", "斎藤"}) {
    for (const Encoding truth : {Encoding::kUtf8, Encoding::kShiftJis, Encoding::kEucJp}) {
      EXPECT_EQ(detect(encode(truth, text).value(), {.msh18 = ""}).used, truth) << text;
    }
  }
  EXPECT_EQ(detect("\xD4\xCF\xD3\xC4 \xB7\xAE\xB3\xBA", {.msh18 = ""}).used, Encoding::kShiftJis);  // ﾔﾏﾓﾄ ｷｮｳｺ
}

TEST(CharsetDetect, WesternNamesAreNotTakenForJapanese) {
  for (const std::string_view text : {"M\xFCller^J\xF6rg",
                                      "Jos\xE9^Mar\xED"
                                      "a",
                                      "Fran\xE7"
                                      "ois",
                                      "BL\xC4H|BL\xD6\xD6\xD6H"}) {
    const CharsetFinding undeclared = detect(text, {.msh18 = ""});
    EXPECT_EQ(undeclared.used, Encoding::kIso8859_1);
    EXPECT_FALSE(undeclared.certain);
    EXPECT_EQ(detect(text, {.msh18 = "8859/1"}).warning, Warning::kNone);
    EXPECT_EQ(detect(text, {.msh18 = "UNICODE UTF-8"}).warning, Warning::kContradicted);
  }
  EXPECT_EQ(detect("M\xC3\xBCller", {.msh18 = "8859/1"}).used, Encoding::kUtf8);
}

TEST(CharsetDetect, PlainAsciiIsWhateverIsDeclaredAndNeverAWarning) {
  EXPECT_EQ(detect("abc", {.msh18 = ""}).used, Encoding::kAscii);
  EXPECT_EQ(detect("abc", {.msh18 = "~ISO IR87"}).used, Encoding::kIso2022Jp);
  EXPECT_EQ(detect("abc", {.msh18 = "8859/1"}).warning, Warning::kNone);
  EXPECT_EQ(detect("abc", {.msh18 = "KLINGON"}).warning, Warning::kUnknownName);
  EXPECT_EQ(detect("abc", {.msh18 = "", .undeclared_default = Encoding::kShiftJis}).used, Encoding::kShiftJis);
}

TEST(CharsetDetect, AByteOrderMarkSettlesIt) {
  const CharsetFinding finding = detect("\xEF\xBB\xBF" + kJapanese, {.msh18 = "~ISO IR87"});
  EXPECT_EQ(finding.used, Encoding::kUtf8);
  EXPECT_EQ(finding.warning, Warning::kContradicted);
  EXPECT_EQ(detect("\xEF\xBB\xBFMSH", {.msh18 = ""}).used, Encoding::kUtf8);
}

TEST(CharsetDetect, DamagedTextKeepsItsEncodingAndIsReported) {
  const std::string cut = kJapanese + "\xE5\xB1|" + kJapanese;
  const CharsetFinding finding = detect(cut, {.msh18 = "UNICODE UTF-8"});
  EXPECT_EQ(finding.used, Encoding::kUtf8);
  EXPECT_EQ(finding.warning, Warning::kInvalidBytes);
}

TEST(CharsetDetect, HalfWidthKanaOfIsoIr13AreBelievedOnlyWhenDeclared) {
  const std::string kana = "PID|1||42||\xD4\xCF\xD3\xC4^\xB7\xAE\xB3\xBA";
  EXPECT_EQ(detect(kana, {.msh18 = "ISO IR14~ISO IR13~ISO IR87"}).warning, Warning::kNone);
  EXPECT_EQ(detect(kana, {.msh18 = "~ISO IR87"}).used, Encoding::kShiftJis);
}

TEST(CharsetDetect, WhatASiteKnowsOfASilentSenderComesFirst) {
  const std::string gb = "\xD5\xC5\xC8\xFD";
  const CharsetFinding finding = detect(gb, {.msh18 = "", .undeclared_default = Encoding::kGb18030});
  EXPECT_EQ(finding.used, Encoding::kGb18030);
  EXPECT_EQ(finding.warning, Warning::kNone);
}

// --- scanning

TEST(Scanner, FindsNoDelimiterInsideAnyCharacterAndEachOneBetweenThem) {
  for (const Kanji& kanji : all_jis_x0208()) {
    for (const Encoding encoding : {Encoding::kIso2022Jp, Encoding::kShiftJis, Encoding::kEucJp}) {
      const std::string piece = encode(encoding, kanji.utf8).value();
      const std::string text = piece + "|" + piece + "^" + piece;
      Scanner scanner(encoding, text, '\\');
      const ByteSet wanted{'|', '^', '~', '\\', '&', '\r'};
      ASSERT_TRUE(scanner.next(wanted)) << kanji.utf8;
      EXPECT_EQ(scanner.position(), piece.size()) << kanji.utf8 << " in " << name(encoding);
      ASSERT_TRUE(scanner.next(wanted));
      EXPECT_EQ(scanner.position(), 2 * piece.size() + 1) << kanji.utf8 << " in " << name(encoding);
      EXPECT_FALSE(scanner.next(wanted)) << kanji.utf8;
    }
  }
}

TEST(Scanner, ACarriageReturnEndsAForgottenShift) {
  const std::string text = "\x1B$B4A\rA|";
  Scanner scanner(Encoding::kIso2022Jp, text, '\\');
  ASSERT_TRUE(scanner.next(ByteSet{'|', '\r'}));
  EXPECT_EQ(text[scanner.position()], '\r');
  ASSERT_TRUE(scanner.next(ByteSet{'|', '\r'}));
  EXPECT_EQ(text[scanner.position()], '|');
}

TEST(Scanner, Hl7SwitchesCountAsTheirEscapeSequences) {
  const std::string text = R"(a\M2442\E|9|\C2842\|b)";
  Scanner scanner(Encoding::kIso2022Jp, text, '\\');
  ASSERT_TRUE(scanner.next(ByteSet{'|'}));
  EXPECT_EQ(scanner.position(), text.size() - 2);
  EXPECT_FALSE(scanner.next(ByteSet{'|'}));
}

TEST(Scanner, SevenBitKatakanaHidesTheDelimitersThatItsBytesLookLike) {
  const std::string text = "\x1B(I^\\&\x1B(B^";
  Scanner scanner(Encoding::kIso2022Jp, text, '\\');
  ASSERT_TRUE(scanner.next(ByteSet{'^', '\\', '&'}));
  EXPECT_EQ(scanner.position(), text.size() - 1);
}

TEST(Scanner, TrailBytesOfGb18030AndBig5AreNoDelimiters) {
  const std::string gb = "\x81\x7C|\x81\x30\x81\x30|";
  Scanner scanner(Encoding::kGb18030, gb, '\\');
  ASSERT_TRUE(scanner.next(ByteSet{'|', '0'}));
  EXPECT_EQ(scanner.position(), 2u);
  ASSERT_TRUE(scanner.next(ByteSet{'|', '0'}));
  EXPECT_EQ(scanner.position(), 7u);
  Scanner big5(Encoding::kBig5, "\xA4\x5C\\", 0);
  ASSERT_TRUE(big5.next(ByteSet{'\\'}));
  EXPECT_EQ(big5.position(), 2u);
}

}  // namespace
}  // namespace minato::charset
