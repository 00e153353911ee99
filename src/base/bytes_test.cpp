#include "base/bytes.h"

#include <gtest/gtest.h>

namespace minato {
namespace {

TEST(Bytes, HexGoesThereAndBack) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(from_hex(to_hex(all)), all);
  EXPECT_EQ(to_hex("\x01\xAB"), "01ab");
  EXPECT_EQ(from_hex("01aB"), "\x01\xAB");
  for (const char* bad : {"0", "0g", "g0", "0x", " 0", "00 "}) EXPECT_FALSE(from_hex(bad)) << bad;
}

TEST(Bytes, LettersAreComparedWithoutCaseInAsciiOnly) {
  EXPECT_TRUE(ascii_iequals("Content-TYPE", "content-type"));
  EXPECT_FALSE(ascii_iequals("content-type", "content-typ"));
  EXPECT_FALSE(ascii_iequals("[", "{"));
  EXPECT_FALSE(ascii_iequals("\xC4", "\xE4"));
  EXPECT_EQ(ascii_lower("ABC\xC4z@["), "abc\xC4z@[");
}

TEST(Bytes, TrimTakesSpacesAndTabsAtTheEndsOnly) {
  EXPECT_EQ(trim(" \ta b\t "), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("\na"), "\na");
}

TEST(Bytes, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
  EXPECT_EQ(split(",", ','), (std::vector<std::string_view>{"", ""}));
}

TEST(Bytes, UnsignedNumbersAreDigitsOnlyAndFit) {
  EXPECT_EQ(parse_unsigned("0"), 0u);
  EXPECT_EQ(parse_unsigned("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616"}) {
    EXPECT_FALSE(parse_unsigned(bad)) << bad;
  }
}

TEST(Bytes, Utf8IsShortestFormWithoutSurrogates) {
  for (const char* good : {"a", "\xC3\xA9", "\xE6\x9C\xAC", "\xED\x9F\xBF", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good));
    EXPECT_EQ(utf8_sequence_bytes(good), std::string_view(good).size());
    EXPECT_FALSE(is_utf8(std::string_view(good).substr(1)) && std::string_view(good).size() > 1);
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE6\x9C", "\xE6\x9C\x41"}) {
    EXPECT_FALSE(is_utf8(bad)) << to_hex(bad);
  }
}

}  // namespace
}  // namespace minato
