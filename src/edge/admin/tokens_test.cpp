#include "edge/admin/tokens.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace minato::admin {
namespace {

class TokensTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/minato-tokens-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<Tokens> open() {
    auto tokens = Tokens::open(real_files(), real_clock(), directory_);
    EXPECT_TRUE(tokens) << tokens.error().what;
    return tokens ? std::move(*tokens) : nullptr;
  }
  std::string admin_token() {
    std::string text = *read_file(real_files(), directory_ + "/admin.token", 1000);
    text.pop_back();
    return text;
  }
  std::string directory_;
};

TEST_F(TokensTest, TheFirstStartMakesTheAdministratorsTokenAndLaterOnesKeepIt) {
  auto tokens = open();
  const std::string token = admin_token();
  ASSERT_TRUE(tokens->principal(token));
  EXPECT_EQ(tokens->principal(token)->name, "admin");
  EXPECT_TRUE(open()->principal(token));
  EXPECT_EQ(admin_token(), token);
}

TEST_F(TokensTest, TheTokenFilesAreTheOwnersAlone) {
  open();
  for (const char* name : {"/admin.token", "/tokens.json"}) {
    const auto mode = std::filesystem::status(directory_ + name).permissions();
    EXPECT_EQ(mode & std::filesystem::perms(077), std::filesystem::perms::none) << name;
  }
}

TEST_F(TokensTest, TheTokenItselfIsNotInTheFile) {
  auto tokens = open();
  const auto made = tokens->create("reader", {"messages.read"});
  ASSERT_TRUE(made);
  EXPECT_EQ(read_file(real_files(), directory_ + "/tokens.json", kMiB)->find(*made), std::string::npos);
  EXPECT_TRUE(open()->principal(*made));
}

TEST_F(TokensTest, ARevokedTokenOpensNothing) {
  auto tokens = open();
  const auto made = tokens->create("reader", {"messages.read"});
  EXPECT_TRUE(tokens->revoke("reader"));
  EXPECT_FALSE(tokens->principal(*made));
  EXPECT_FALSE(open()->principal(*made));
  EXPECT_EQ(tokens->revoke("reader").error().code, Errc::kNotFound);
  EXPECT_EQ(tokens->revoke("admin").error().code, Errc::kRefused);
}

TEST_F(TokensTest, ScopesGrantWhatTheySayAndNoMore) {
  EXPECT_TRUE(grants({"*"}, "queue.write"));
  EXPECT_TRUE(grants({"queue.write"}, "queue.read"));
  EXPECT_FALSE(grants({"queue.read"}, "queue.write"));
  EXPECT_FALSE(grants({"messages.write"}, "queue.read"));
  auto tokens = open();
  EXPECT_EQ(tokens->create("x", {"everything"}).error().code, Errc::kRefused);
  EXPECT_EQ(tokens->create("x", {}).error().code, Errc::kRefused);
  EXPECT_EQ(tokens->create("admin", {"*"}).error().code, Errc::kConflict);
}

TEST_F(TokensTest, ACookieReadsButNeverChanges) {
  auto tokens = open();
  http::Route route;
  route.scope = "queue.write";
  http::Request request;
  request.headers.emplace_back("Cookie", "a=b; minato_session=" + admin_token());
  request.method = "GET";
  EXPECT_EQ(tokens->decide(request, route).access, http::Access::kGranted);
  request.method = "POST";
  EXPECT_EQ(tokens->decide(request, route).access, http::Access::kUnauthenticated);
  request.bearer_token = admin_token();
  EXPECT_EQ(tokens->decide(request, route).access, http::Access::kGranted);
}

}  // namespace
}  // namespace minato::admin
