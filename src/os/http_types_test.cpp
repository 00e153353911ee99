#include "os/http_types.h"

#include <gtest/gtest.h>

namespace minato::http {
namespace {

TEST(HttpTypes, HeadersAreFoundWithoutCase) {
  const Headers headers = {{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(find(headers, "CONTENT-TYPE"), "a");
  EXPECT_EQ(find(headers, "Content-Typ"), std::nullopt);
}

TEST(HttpTypes, PercentDecodingIsExact) {
  EXPECT_EQ(percent_decode("a%20b+%E6%9C%ac%00"), std::string("a b+\xE6\x9C\xAC\0", 8));
  EXPECT_EQ(form_decode("a+b%2B"), "a b+");
  for (const char* bad : {"%", "%2", "%2g", "%g2", "a%", "%%20"}) EXPECT_FALSE(percent_decode(bad)) << bad;
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("aZ09-._~ /?&=+%"), "aZ09-._~%20%2F%3F%26%3D%2B%25");
}

TEST(HttpTypes, KnowsTheReasons) {
  EXPECT_EQ(reason(200), "OK");
  EXPECT_EQ(reason(413), "Content Too Large");
  EXPECT_EQ(reason(799), "");
}

}  // namespace
}  // namespace minato::http
