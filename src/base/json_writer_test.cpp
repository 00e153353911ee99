#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace minato {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("a", 1).key("b").begin_array().value("x").value(true).null();
  json.begin_object().end_object().begin_array().end_array().end_array();
  json.member("c", "y").key("d").begin_object().member("e", 2u).end_object().end_object();
  EXPECT_EQ(out, R"({"a":1,"b":["x",true,null,{},[]],"c":"y","d":{"e":2}})");
}

TEST(JsonWriter, LeavesOutAMemberWithoutAValue) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("a", std::optional<int>()).member("b", std::optional<std::string>("x")).end_object();
  EXPECT_EQ(out, R"({"b":"x"})");
}

TEST(JsonWriter, WritesNumbersThatReadBackTheSame) {
  std::string out;
  JsonWriter json(out);
  json.begin_array().value(std::numeric_limits<std::int64_t>::min()).value(std::numeric_limits<std::uint64_t>::max());
  json.value(0.1).value(1e300).number("1.10").value(std::numeric_limits<double>::infinity()).end_array();
  EXPECT_EQ(out, "[-9223372036854775808,18446744073709551615,0.1,1e+300,1.10,null]");
}

TEST(JsonWriter, EscapesEveryControlCharacter) {
  EXPECT_EQ(quoted("a\"b\\c\n\r\t\b\f"), R"("a\"b\\c\n\r\t\b\f")");
  EXPECT_EQ(quoted(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
}

TEST(JsonWriter, KeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(quoted("本日"), "\"本日\"");
  EXPECT_EQ(quoted("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(quoted("\xE6\x9C"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(quoted("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"") << "a surrogate is no character";
}

}  // namespace
}  // namespace minato
