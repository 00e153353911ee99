#include "record/csv.h"

#include <array>

namespace minato {
namespace {

using Fields = std::vector<std::string>;

TEST(Csv, QuotesCommasLineEndsAndByteOrderMark) {
  const auto rows = parse_csv(
      "\xef\xbb\xbf"
      "a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\n\n,last");
  ASSERT_TRUE(rows.has_value());
  ASSERT_EQ(rows->size(), 3U);
  EXPECT_EQ((*rows)[0].fields, (Fields{"a", "b"}));
  EXPECT_EQ((*rows)[1].fields, (Fields{"x, \"y\"", "two\nlines"}));
  EXPECT_EQ((*rows)[2].fields, (Fields{"", "last"}));
  EXPECT_EQ((*rows)[2].line, 5U);
}

TEST(Csv, FaultsNameTheirLine) {
  EXPECT_NE(parse_csv("a\nb\"c\n").error().what.find("line 2"), std::string::npos);
  EXPECT_NE(parse_csv("a\nb\n\"c\nd\n").error().what.find("line 3"), std::string::npos);
  EXPECT_NE(parse_csv("\"a\"b\n").error().what.find("line 1"), std::string::npos);
  EXPECT_EQ(parse_csv("a\n\xff\n").error().code, Errc::kRefused);
}

TEST(Csv, ATableTellsAllOfItsFaultsAtOnceAndNoValues) {
  constexpr std::array<std::string_view, 2> known = {"code", "name"};
  constexpr std::array<std::string_view, 1> required = {"code"};
  const auto table = CsvTable::parse("name,secret,name\n1\n2,3\n", known, required);
  ASSERT_FALSE(table.has_value());
  for (const char* part : {"line 1: unknown column 2", "column 3 is there twice", "column code is missing",
                           "line 2: 1 fields", "line 3: 2 fields"}) {
    EXPECT_NE(table.error().what.find(part), std::string::npos) << part << " in " << table.error().what;
  }
  EXPECT_EQ(table.error().what.find("secret"), std::string::npos);
}

TEST(Csv, WhatIsWrittenIsReadBack) {
  const std::vector<Fields> rows = {
      {"plain", "with, comma", "\"quoted\""}, {"", " blank ", "line\r\nend"}, {"山本", "", ""}};
  std::string text;
  for (const auto& row : rows) append_csv_row(text, row);
  const auto read = parse_csv(text);
  ASSERT_TRUE(read.has_value());
  ASSERT_EQ(read->size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ((*read)[i].fields, rows[i]);
}

TEST(Csv, ManyFaultsAreCountedNotListed) {
  CsvFaults faults;
  for (std::size_t i = 0; i < 1000; ++i) faults.add(i, "x");
  EXPECT_NE(faults.error().error().what.find("980 more"), std::string::npos);
}

}  // namespace
}  // namespace minato
