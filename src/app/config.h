// What the configuration file says, checked. One TOML file, or none: every member has the default of a start without a
// file, which listens on loopback only and needs nothing else. Unknown keys, wrong types and values out of range are
// errors with their line; all of them are reported at once.
//
//   Result<Config> config = parse_config(text, "minato.toml");
//
// packaging/minato.toml shows every key with its default; a test parses it and compares.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"

namespace minato {

struct TlsConfig {
  std::string certificate_file, key_file;  // PEM; both or neither
  std::string client_ca_file;              // client certificates must chain to it
  std::string crl_file;
  std::string client_certificate = "required";  // required | optional; only with client_ca_file
  std::string min_version = "1.2";
  bool enabled() const { return !certificate_file.empty(); }
};

struct MllpConfig {
  std::string name = "default";
  std::string address = "127.0.0.1";
  std::uint16_t port = 2575;
  TlsConfig tls;
  std::vector<std::string> allow;         // addresses or CIDR; empty: any
  std::vector<std::string> senders;       // "APP|FACILITY", either part may be *; empty: any
  std::vector<std::string> accept_types;  // beyond the HL7 tables: "ZZZ^Z99", "ZZZ^*"
  std::vector<std::string> accept_versions;
  std::string default_charset;        // when MSH-18 is empty; empty: detect
  std::string batch_answer = "each";  // each | batch
  std::uint32_t connections_max = 2000;
  std::uint64_t frame_bytes_max = kMllpFrameBytesMax;
  std::chrono::milliseconds mid_frame_timeout{30'000};
  std::chrono::milliseconds missing_cr_wait{200};
};

struct FeedConfig {
  std::string name;
  std::string sending_application, sending_facility;  // MSH-3, MSH-4; "*" any
  std::string peer;    // "cert:NAME", "cert-sha256:HEX", "address:IP" (the listener then needs `allow`); empty: any
  std::string domain;  // default assigning authority of its patient ids
  bool authoritative = false;
  std::chrono::seconds silent_after{0};  // alarm when nothing came for so long; 0: learnt from its usual gap
};

struct HttpConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  TlsConfig tls;
  std::uint32_t connections_max = 512;
};

struct JournalConfig {
  std::string kind = "segments";  // segments | postgres
  std::string postgres;           // libpq connection string; the queue uses it too
  std::uint64_t segment_bytes = kSegmentBytes;
  std::uint64_t free_bytes_min = 256 * kMiB;  // below it new messages are refused
  bool realtime = false;                      // SCHED_FIFO for the committing thread where permitted
};

struct QueueConfig {
  std::uint32_t workers = 2;
  std::uint32_t receives_max = 8;
  std::chrono::milliseconds backoff_first{1'000};
  std::chrono::milliseconds backoff_max{600'000};
};

struct MailConfig {
  std::string kind = "files";  // files: <data_dir>/outbox/*.eml | smtp
  std::string host;
  std::uint16_t port = 587;
  std::string security = "starttls";  // starttls | tls | none (loopback only)
  std::string ca_file;
  std::string auth = "none";  // none | plain | login | xoauth2
  std::string user, secret_file;
  std::string from = "Minato <minato@localhost>";
};

struct NotifyConfig {
  bool enabled = true;
  std::string base_url;  // empty: made from http
  std::string institution_en = "the hospital", institution_ja = "当院";
  std::string templates_dir;
  std::vector<std::string> events = {"admission", "discharge", "transfer", "abnormal-result"};
  std::string on_uncertain = "park";  // park | resend
  bool urgent_overrides_quiet_hours = true;
};

struct MasterConfig {
  std::string kind = "none";  // none | pix | pixm
  std::string host;
  std::uint16_t port = 0;
  std::string url, ca_file, token_file;
  std::chrono::milliseconds timeout{2'000};
  std::chrono::seconds cache{300};
};

struct DestinationConfig {
  std::string name;
  std::string kind;  // mllp | webhook | file
  std::string host;
  std::uint16_t port = 0;
  TlsConfig tls;  // client certificate for mllp
  std::string ca_file;
  std::string url, secret_file, body = "hl7";  // webhook: hl7 | json
  std::string directory, file_name = "{date}/{type}/{seq}.hl7";
  std::string on_ae = "park", on_ar = "park";  // park | retry | accept
  std::chrono::milliseconds ack_timeout{30'000};
};

struct Config {
  std::string data_dir = "minato-data";
  std::string application = "MINATO", facility = "MINATO";  // MSH-3/4 of what we send
  int utc_offset_minutes = 540;                             // of HL7 times without a zone
  std::string log_level = "info";
  std::uint64_t buffer_bytes_max = kGlobalBufferBytesMax;
  std::uint32_t retention_days = 0;  // 0: for ever
  std::chrono::seconds duplicate_window{86'400};
  std::vector<MllpConfig> mllp = {MllpConfig{}};
  std::vector<FeedConfig> feeds;
  HttpConfig http;
  JournalConfig journal;
  QueueConfig queue;
  MailConfig mail;
  NotifyConfig notify;
  MasterConfig master;
  std::string routes_file;
  std::vector<DestinationConfig> destinations;
};

// kRefused with every fault, one a line: "minato.toml:12: http.prot: unknown key (did you mean port?)".
Result<Config> parse_config(std::string_view text, std::string_view file_name);

// What cannot be served safely or at all: doors beyond loopback without TLS and authentication, two listeners on one
// port, a destination that no kind describes. kRefused with every fault, one a line.
Status check_config(const Config& config);

// Every value, for `minato config show` and for the admin interface; secrets stand in files and are not read.
std::string to_json(const Config& config);

bool is_loopback_address(std::string_view address);

}  // namespace minato
