#include "app/config.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "os/files.h"

namespace minato {
namespace {

std::string faults_of(std::string_view text) {
  const auto config = parse_config(text, "test.toml");
  if (!config) return config.error().what;
  const auto checked = check_config(*config);
  return checked ? "" : checked.error().what;
}

TEST(Config, AnEmptyFileIsTheLoopbackDefault) {
  const auto config = parse_config("", "test.toml");
  ASSERT_TRUE(config);
  EXPECT_TRUE(check_config(*config));
  ASSERT_EQ(config->mllp.size(), 1u);
  EXPECT_EQ(config->mllp[0].address, "127.0.0.1");
  EXPECT_EQ(config->http.address, "127.0.0.1");
  EXPECT_EQ(config->journal.kind, "segments");
}

TEST(Config, EveryUnknownKeyIsNamedWithItsLineAndTheLikelyWord) {
  EXPECT_EQ(faults_of("[http]\nprot = 1\n"), "test.toml:2: http.prot: unknown key (did you mean port?)");
  EXPECT_EQ(faults_of("x = 1\n[[mllp]]\nname = \"a\"\nfoo = 1\n"),
            "test.toml:4: mllp.foo: unknown key\ntest.toml:1: x: unknown key");
}

TEST(Config, WrongTypesAndRangesAreNamed) {
  EXPECT_EQ(faults_of("[http]\nport = \"80\"\n"), "test.toml:2: http.port: must be a whole number from 0 to 65535");
  EXPECT_EQ(faults_of("[http]\nport = 65536\n"), "test.toml:2: http.port: must be a whole number from 0 to 65535");
  EXPECT_NE(faults_of("duplicate_window = 5\n"), "");
  EXPECT_NE(faults_of("duplicate_window = \"99999d\"\n"), "");
  EXPECT_NE(faults_of("utc_offset = \"9\"\n"), "");
  EXPECT_NE(faults_of("buffer_bytes_max = \"1KiB\"\n"), "");
  EXPECT_NE(faults_of("buffer_bytes_max = \"99999999999GiB\"\n"), "");
  EXPECT_NE(faults_of("[journal]\nkind = \"tape\"\n"), "");
  EXPECT_NE(faults_of("mllp = 3\n"), "");
  EXPECT_NE(faults_of("a = [\n"), "");
}

TEST(Config, ValuesThatCouldNotBeUsedAreNamedWithTheirLine) {
  EXPECT_EQ(faults_of("[[mllp]]\nallow = [\"10.0.0.0/40\"]\n").find("test.toml:2: mllp.allow: "), 0u);
  EXPECT_EQ(faults_of("[[mllp]]\ndefault_charset = \"klingon\"\n").find("test.toml:2: mllp.default_charset: "), 0u);
  EXPECT_EQ(faults_of("[notify]\nevents = [\"birthday\"]\n"),
            "test.toml:2: notify.events: there is no event \"birthday\"");
  EXPECT_EQ(faults_of("[notify]\nbase_url = \"javascript:x\"\n").find("test.toml:2: notify.base_url: "), 0u);
  EXPECT_EQ(faults_of("[mail]\nfrom = \"a@b\\r\\nBcc: c@d\"\n").find("test.toml:2: mail.from: "), 0u);
  EXPECT_EQ(faults_of("[queue]\nbackoff_first = \"1h\"\nbackoff_max = \"1s\"\n").find("test.toml:3: queue.backoff_max"),
            0u);
  const std::string file = "[[destination]]\nname = \"x\"\nkind = \"file\"\ndirectory = \"/tmp\"\n";
  EXPECT_EQ(faults_of(file), "");
  EXPECT_EQ(faults_of(file + "file_name = \"{bad}\"\n").find("test.toml:5: destination.file_name: "), 0u);
  EXPECT_EQ(faults_of(file + "file_name = \"../{seq}\"\n").find("test.toml:5: destination.file_name: "), 0u);
  EXPECT_EQ(faults_of("[[destination]]\nname = \"x/y\"\nkind = \"file\"\ndirectory = \"/tmp\"\n").find("test.toml:2: "),
            0u);
}

TEST(Config, AHostNameThatBeginsLikeLoopbackIsNotLoopback) {
  EXPECT_NE(faults_of("[[mllp]]\naddress = \"127.example.org\"\n"), "");
  EXPECT_EQ(faults_of("[[mllp]]\naddress = \"127.0.0.2\"\n"), "");
}

TEST(Config, UnitsAreRead) {
  const auto config = parse_config(
      "duplicate_window = \"2h\"\nbuffer_bytes_max = \"64MiB\"\nutc_offset = \"-03:30\"\n[queue]\nbackoff_first = "
      "\"250ms\"\n",
      "t");
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->duplicate_window, std::chrono::hours(2));
  EXPECT_EQ(config->buffer_bytes_max, 64 * kMiB);
  EXPECT_EQ(config->utc_offset_minutes, -210);
  EXPECT_EQ(config->queue.backoff_first, std::chrono::milliseconds(250));
}

TEST(Config, NoDoorBeyondLoopbackWithoutTlsAndAuthentication) {
  EXPECT_NE(faults_of("[[mllp]]\naddress = \"0.0.0.0\"\n"), "");
  EXPECT_NE(faults_of("[[mllp]]\naddress = \"10.0.0.5\"\n[mllp.tls]\ncertificate_file = \"c\"\nkey_file = \"k\"\n"),
            "");
  EXPECT_EQ(faults_of("[[mllp]]\naddress = \"10.0.0.5\"\n[mllp.tls]\ncertificate_file = \"c\"\nkey_file = \"k\"\n"
                      "client_ca_file = \"ca\"\n"),
            "");
  EXPECT_NE(faults_of("[[mllp]]\naddress = \"10.0.0.5\"\nallow = [\"10.0.0.0/24\"]\n"), "");
  EXPECT_NE(faults_of("[http]\naddress = \"0.0.0.0\"\n"), "");
}

TEST(Config, AnAuthoritativeFeedNeedsAPeerAndItsSenderNames) {
  EXPECT_NE(faults_of("[[feed]]\nname = \"HIS\"\nauthoritative = true\n"), "");
  EXPECT_EQ(faults_of("[[feed]]\nname = \"HIS\"\nauthoritative = true\npeer = \"cert:his\"\n"
                      "sending_application = \"HIS\"\nsending_facility = \"HOSP\"\n"),
            "");
}

TEST(Config, NamesAndPortsAreUsedOnce) {
  EXPECT_NE(faults_of("[[mllp]]\nport = 1\n[[mllp]]\nname = \"b\"\nport = 1\n"), "");
  EXPECT_NE(faults_of("[[mllp]]\nport = 1\n[[mllp]]\nport = 2\n"), "");
}

TEST(Config, TheExampleShowsEveryDefault) {
  const char* source = std::getenv("MINATO_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  const auto text = read_file(real_files(), std::string(source) + "/packaging/minato.toml", kMiB);
  ASSERT_TRUE(text) << text.error().what;
  const auto example = parse_config(*text, "minato.toml");
  ASSERT_TRUE(example) << example.error().what;
  EXPECT_TRUE(check_config(*example));
  EXPECT_EQ(to_json(*example), to_json(Config{}));
}

}  // namespace
}  // namespace minato
