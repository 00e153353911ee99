#include "format/json/json.h"

#include <gtest/gtest.h>

#include <cmath>

namespace minato::json {
namespace {

std::string again(std::string_view text) {
  const auto document = parse(text);
  return document ? to_text(document->root()) : "error: " + document.error().what;
}

Errc refused(std::string_view text, const Limits& limits = {}) {
  const auto document = parse(text, limits);
  EXPECT_FALSE(document) << text;
  return document ? Errc::kConflict : document.error().code;
}

TEST(Json, ReadsEveryKindAndWritesItTheSame) {
  const std::string text =
      R"({"a":[1,-2.50,1e5,0],"b":{"c":null,"d":true,"e":false},"f":"本\"\\\n","g":[],"h":{},"":"empty key"})";
  EXPECT_EQ(again(text), text);
  for (const char* scalar : {"1", "\"x\"", "true", "false", "null", "-0.0", "[]", "{}"})
    EXPECT_EQ(again(scalar), scalar);
  EXPECT_EQ(again(" [ 1 , 2 ] \r\n"), "[1,2]");
  EXPECT_EQ(again("\xEF\xBB\xBF{}"), "{}");
}

TEST(Json, APathThatIsNotThereIsMissingAndNothingMore) {
  const auto document = parse(R"({"a":{"b":[{"c":"x"}]}})");
  const Value root = document->root();
  EXPECT_EQ(root["a"]["b"].size(), 1u);
  EXPECT_EQ((*root["a"]["b"].entries().begin()).value["c"].string(), "x");
  EXPECT_EQ(root["a"]["x"]["y"].kind(), Kind::kMissing);
  EXPECT_EQ(root["a"]["b"]["c"].kind(), Kind::kMissing) << "an array has no members";
  EXPECT_FALSE(root["zz"].present());
  EXPECT_EQ(root["zz"].string_or("otherwise"), "otherwise");
  EXPECT_EQ(root["zz"].entries().begin(), root["zz"].entries().end());
}

TEST(Json, NumbersKeepTheirTextAndAreReadOnlyWhenTheyFit) {
  const auto document =
      parse(R"([1.10,9223372036854775807,9223372036854775808,-1,1.0,1e400,1e-400,18446744073709551616])");
  std::vector<Value> v;
  for (const auto entry : document->root().entries()) v.push_back(entry.value);
  ASSERT_EQ(v.size(), 8u);
  EXPECT_EQ(v[0].number_text(), "1.10");
  EXPECT_EQ(v[0].integer(), std::nullopt);
  EXPECT_DOUBLE_EQ(*v[0].number(), 1.1);
  EXPECT_EQ(v[1].integer(), INT64_MAX);
  EXPECT_EQ(v[2].integer(), std::nullopt);
  EXPECT_EQ(v[2].unsigned_integer(), 9223372036854775808u);
  EXPECT_EQ(v[3].integer(), -1);
  EXPECT_EQ(v[3].unsigned_integer(), std::nullopt);
  EXPECT_EQ(v[4].integer(), std::nullopt);
  EXPECT_EQ(v[5].number(), std::nullopt);
  EXPECT_EQ(v[5].number_text(), "1e400");
  EXPECT_EQ(v[6].number(), 0.0);
  EXPECT_EQ(v[7].unsigned_integer(), std::nullopt);
  EXPECT_EQ(v[7].number_text(), "18446744073709551616");
}

TEST(Json, AValueOfAnotherKindIsNotConverted) {
  const auto document = parse(R"(["1",1,true,null])");
  auto at = document->root().entries().begin();
  EXPECT_EQ((*at).value.integer(), std::nullopt);
  ++at;
  EXPECT_EQ((*at).value.string(), std::nullopt);
  EXPECT_EQ((*at).value.boolean(), std::nullopt);
  ++at;
  EXPECT_EQ((*at).value.boolean(), true);
  EXPECT_EQ((*at).value.number(), std::nullopt);
  ++at;
  EXPECT_TRUE((*at).value.is_null());
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "}",
                          "[",
                          "]",
                          "[1",
                          "[1,",
                          "[1,]",
                          "[1 2]",
                          "[,1]",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\" 1}",
                          "{\"a\":1,}",
                          "{a:1}",
                          "{'a':1}",
                          "{1:2}",
                          "nul",
                          "nullx",
                          "truex",
                          "True",
                          "01",
                          "-",
                          "+1",
                          ".5",
                          "5.",
                          "1e",
                          "1e+",
                          "0x1",
                          "NaN",
                          "Infinity",
                          "-01",
                          "1 2",
                          "{} {}",
                          "[] 1",
                          "\"a",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\n\"",
                          "[\"\t\"]",
                          "\"\\ud800\"",
                          "// x\n1",
                          "[1]]",
                          "[[1]",
                          "{\"a\":[1}",
                          "[1}",
                          "\"a\" \"b\"",
                          "\"\xFF\"",
                          "\"\xED\xA0\x80\"",
                          "{\"a\":1\"b\":2}",
                          "[1:2]",
                          "tru",
                          "{\"a\":nul}"}) {
    EXPECT_EQ(refused(bad), Errc::kRefused) << bad;
  }
}

TEST(Json, RefusesDuplicateKeysAtAnyDepthAndInAnySpelling) {
  EXPECT_EQ(refused(R"({"a":1,"a":1})"), Errc::kRefused);
  EXPECT_EQ(refused(R"([{"x":{"a":1,"b":2,"\u0061":3}}])"), Errc::kRefused);
  EXPECT_EQ(again(R"({"a":{"a":1},"b":{"a":1}})"), R"({"a":{"a":1},"b":{"a":1}})") << "one key in two objects is none";
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  EXPECT_EQ(refused(many + "\"k50\":1}"), Errc::kRefused);
  EXPECT_TRUE(parse(many + "\"k100\":1}"));
}

TEST(Json, LimitsHoldExactly) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse(nested(5), {.depth_max = 5}));
  EXPECT_EQ(refused(nested(6), {.depth_max = 5}), Errc::kTooLarge);
  EXPECT_TRUE(parse("1", {.depth_max = 0}));
  EXPECT_TRUE(parse("[1]", {.bytes_max = 3}));
  EXPECT_EQ(refused("[1] ", {.bytes_max = 3}), Errc::kTooLarge);
  EXPECT_EQ(refused(nested(100'000)), Errc::kTooLarge);
  EXPECT_EQ(refused(std::string(100'000, '[')), Errc::kRefused);
}

TEST(Json, ErrorsNameTheOffsetAndNeverTheText) {
  const auto document = parse(R"({"a":"secret","b":secret})");
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().what.find("secret"), std::string::npos);
  EXPECT_NE(document.error().what.find("at byte 18"), std::string::npos) << document.error().what;
}

TEST(Json, LargeDocumentsAndManyParsesOnOneThreadDoNotMix) {
  std::string large = "[";
  for (int i = 0; i < 400'000; ++i) large += std::to_string(i) + ",";
  large += "\"end\"]";
  const auto first = parse("{\"a\":\"first\"}");
  const auto second = parse(large);
  const auto third = parse("{\"a\":\"third\"}");
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->root()["a"].string(), "first");
  EXPECT_EQ(second->root().size(), 400'001u);
  EXPECT_EQ(to_text(second->root()), large);
  EXPECT_EQ(third->root()["a"].string(), "third");
}

}  // namespace
}  // namespace minato::json
