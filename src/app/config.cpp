#include "app/config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "flow/deliver.h"
#include "flow/notify.h"
#include "format/charset/detect.h"
#include "format/toml/config_reader.h"
#include "os/socket.h"

namespace minato {
namespace {

constexpr std::string_view kWebAddress = "must begin with https:// or http://";

bool is_web_address(std::string_view text) { return text.starts_with("https://") || text.starts_with("http://"); }

bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// Destinations stand in step names, keys and paths of the admin interface.
bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

void read_tls(ConfigSection& in, TlsConfig& tls) {
  in.section("tls", [&](ConfigSection& section) {
    section.read("certificate_file", tls.certificate_file);
    section.read("key_file", tls.key_file);
    section.read("client_ca_file", tls.client_ca_file);
    section.read("crl_file", tls.crl_file);
    section.read_one_of("client_certificate", tls.client_certificate, {"required", "optional"});
    section.read_one_of("min_version", tls.min_version, {"1.2", "1.3"});
  });
}

MllpConfig read_mllp(ConfigSection& in) {
  MllpConfig out;
  in.read("name", out.name);
  in.read("address", out.address);
  in.read_integer("port", out.port, 0, 65535);
  read_tls(in, out.tls);
  in.read("allow", out.allow);
  if (const auto list = AddressList::parse(out.allow); !list) in.fault_at("allow", list.error().what);
  in.read("senders", out.senders);
  in.read("accept_types", out.accept_types);
  in.read("accept_versions", out.accept_versions);
  in.read("default_charset", out.default_charset);
  if (!out.default_charset.empty() && !charset::encoding_named(out.default_charset)) {
    in.fault_at("default_charset", "is no character set of MSH-18 (HL7 table 0211)");
  }
  in.read_one_of("batch_answer", out.batch_answer, {"each", "batch"});
  in.read_integer("connections_max", out.connections_max, 1, 100'000);
  in.read_bytes("frame_bytes_max", out.frame_bytes_max, 1024, kMllpFrameBytesMax);
  in.read_duration("mid_frame_timeout", out.mid_frame_timeout);
  in.read_duration("missing_cr_wait", out.missing_cr_wait);
  return out;
}

FeedConfig read_feed(ConfigSection& in) {
  FeedConfig out;
  in.read("name", out.name);
  in.read("sending_application", out.sending_application);
  in.read("sending_facility", out.sending_facility);
  in.read("peer", out.peer);
  in.read("domain", out.domain);
  in.read("authoritative", out.authoritative);
  in.read_duration("silent_after", out.silent_after);
  return out;
}

void read_http(ConfigSection& in, HttpConfig& out) {
  in.read("address", out.address);
  in.read_integer("port", out.port, 0, 65535);
  read_tls(in, out.tls);
  in.read_integer("connections_max", out.connections_max, 4, 100'000);
}

void read_journal(ConfigSection& in, JournalConfig& out) {
  in.read_one_of("kind", out.kind, {"segments", "postgres"});
  in.read("postgres", out.postgres);
  in.read_bytes("segment_bytes", out.segment_bytes, 64 * kKiB, 1024 * kMiB);
  in.read_bytes("free_bytes_min", out.free_bytes_min, 0, std::uint64_t{1} << 50);
  in.read("realtime", out.realtime);
}

void read_queue(ConfigSection& in, QueueConfig& out) {
  in.read_integer("workers", out.workers, 1, 64);
  in.read_integer("receives_max", out.receives_max, 1, 1000);
  in.read_duration("backoff_first", out.backoff_first);
  in.read_duration("backoff_max", out.backoff_max);
  if (out.backoff_max < out.backoff_first) in.fault_at("backoff_max", "must not be less than backoff_first");
}

void read_mail(ConfigSection& in, MailConfig& out) {
  in.read_one_of("kind", out.kind, {"files", "smtp"});
  in.read("host", out.host);
  in.read_integer("port", out.port, 1, 65535);
  in.read_one_of("security", out.security, {"starttls", "tls", "none"});
  in.read("ca_file", out.ca_file);
  in.read_one_of("auth", out.auth, {"none", "plain", "login", "xoauth2"});
  in.read("user", out.user);
  in.read("secret_file", out.secret_file);
  in.read("from", out.from);
  if (!is_one_line(out.from) || out.from.find('@') == std::string::npos) {
    in.fault_at("from", "must be a mail address such as \"Minato <minato@hospital.example>\"");
  }
}

void read_notify(ConfigSection& in, NotifyConfig& out) {
  in.read("enabled", out.enabled);
  in.read("base_url", out.base_url);
  if (!out.base_url.empty() && !is_web_address(out.base_url)) in.fault_at("base_url", kWebAddress);
  in.read("institution_en", out.institution_en);
  in.read("institution_ja", out.institution_ja);
  in.read("templates_dir", out.templates_dir);
  in.read("events", out.events);
  for (const std::string& event : out.events) {
    if (!notice_event_named(event)) in.fault_at("events", "there is no event \"" + event + "\"");
  }
  in.read_one_of("on_uncertain", out.on_uncertain, {"park", "resend"});
  in.read("urgent_overrides_quiet_hours", out.urgent_overrides_quiet_hours);
}

void read_master(ConfigSection& in, MasterConfig& out) {
  in.read_one_of("kind", out.kind, {"none", "pix", "pixm"});
  in.read("host", out.host);
  in.read_integer("port", out.port, 0, 65535);
  in.read("url", out.url);
  in.read("ca_file", out.ca_file);
  in.read("token_file", out.token_file);
  in.read_duration("timeout", out.timeout);
  in.read_duration("cache", out.cache);
}

DestinationConfig read_destination(ConfigSection& in) {
  DestinationConfig out;
  in.read("name", out.name);
  if (!std::ranges::all_of(out.name, is_name_character))
    in.fault_at("name", "may have letters, digits, '-', '_' and '.'");
  in.read_one_of("kind", out.kind, {"mllp", "webhook", "file"});
  in.read("host", out.host);
  in.read_integer("port", out.port, 1, 65535);
  read_tls(in, out.tls);
  in.read("ca_file", out.ca_file);
  in.read("url", out.url);
  if (!out.url.empty() && !is_web_address(out.url)) in.fault_at("url", kWebAddress);
  in.read("secret_file", out.secret_file);
  in.read_one_of("body", out.body, {"hl7", "json"});
  in.read("directory", out.directory);
  in.read("file_name", out.file_name);
  if (const auto name = delivery_file_name(out.file_name, {}); !name) in.fault_at("file_name", name.error().what);
  in.read_one_of("on_ae", out.on_ae, {"park", "retry", "accept"});
  in.read_one_of("on_ar", out.on_ar, {"park", "retry", "accept"});
  in.read_duration("ack_timeout", out.ack_timeout);
  return out;
}

void read_all(ConfigSection& in, Config& out) {
  in.read("data_dir", out.data_dir);
  in.read("application", out.application);
  if (!is_one_line(out.application)) in.fault_at("application", "must be one line of text");
  in.read("facility", out.facility);
  if (!is_one_line(out.facility)) in.fault_at("facility", "must be one line of text");
  in.read_utc_offset("utc_offset", out.utc_offset_minutes);
  in.read_one_of("log_level", out.log_level, {"debug", "info", "warning", "error"});
  in.read_bytes("buffer_bytes_max", out.buffer_bytes_max, 16 * kMiB, std::uint64_t{1} << 40);
  in.read_integer("retention_days", out.retention_days, 0, 36'500);
  in.read_duration("duplicate_window", out.duplicate_window);
  if (in.has("mllp")) out.mllp.clear();
  in.sections("mllp", [&](ConfigSection& section) { out.mllp.push_back(read_mllp(section)); });
  in.sections("feed", [&](ConfigSection& section) { out.feeds.push_back(read_feed(section)); });
  in.section("http", [&](ConfigSection& section) { read_http(section, out.http); });
  in.section("journal", [&](ConfigSection& section) { read_journal(section, out.journal); });
  in.section("queue", [&](ConfigSection& section) { read_queue(section, out.queue); });
  in.section("mail", [&](ConfigSection& section) { read_mail(section, out.mail); });
  in.section("notify", [&](ConfigSection& section) { read_notify(section, out.notify); });
  in.section("master", [&](ConfigSection& section) { read_master(section, out.master); });
  in.read("routes_file", out.routes_file);
  in.sections("destination", [&](ConfigSection& section) { out.destinations.push_back(read_destination(section)); });
}

class Complaints {
 public:
  void add(std::string text) { text_ += (text_.empty() ? "" : "\n") + std::move(text); }
  Status status() const { return text_.empty() ? Status() : fail(Errc::kRefused, text_); }

 private:
  std::string text_;
};

void check_tls(const std::string& where, const TlsConfig& tls, Complaints& out) {
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    out.add(where + ".tls: certificate_file and key_file belong together");
  }
  if (!tls.client_ca_file.empty() && !tls.enabled()) out.add(where + ".tls: client_ca_file without a certificate_file");
}

void check_mllp(const MllpConfig& mllp, Complaints& out) {
  const std::string where = "mllp \"" + mllp.name + "\"";
  check_tls(where, mllp.tls, out);
  if (mllp.name.empty()) out.add("mllp: a listener needs a name");
  if (is_loopback_address(mllp.address)) return;
  const bool authenticated = !mllp.tls.client_ca_file.empty() && mllp.tls.client_certificate == "required";
  if (!mllp.tls.enabled() || (!authenticated && mllp.allow.empty())) {
    out.add(where + ": beyond loopback a listener needs TLS (tls.certificate_file, tls.key_file), and required client" +
            " certificates (tls.client_ca_file) or an allow list of addresses");
  }
}

void check_destination(const DestinationConfig& destination, Complaints& out) {
  const std::string where = "destination \"" + destination.name + "\"";
  if (destination.name.empty()) out.add("destination: each needs a name");
  if (destination.kind.empty()) out.add(where + ": kind is missing (mllp, webhook or file)");
  if (destination.kind == "mllp" && (destination.host.empty() || destination.port == 0)) {
    out.add(where + ": mllp needs host and port");
  }
  if (destination.kind == "webhook" && (destination.url.empty() || destination.secret_file.empty())) {
    out.add(where + ": webhook needs url and secret_file");
  }
  if (destination.kind == "file" && destination.directory.empty()) out.add(where + ": file needs directory");
}

void check_feeds(const Config& config, Complaints& out) {
  for (const FeedConfig& feed : config.feeds) {
    const std::string where = "feed \"" + feed.name + "\"";
    if (feed.name.empty()) out.add("feed: each needs a name");
    if (feed.authoritative && feed.peer.empty()) {
      out.add(where + ": an authoritative feed needs a peer (\"cert:NAME\" or \"address:IP\")");
    }
    if (feed.authoritative && (feed.sending_application.empty() || feed.sending_facility.empty())) {
      out.add(where + ": an authoritative feed needs sending_application and sending_facility");
    }
    if (!feed.peer.empty() && !feed.peer.starts_with("cert:") && !feed.peer.starts_with("cert-sha256:") &&
        !feed.peer.starts_with("address:")) {
      out.add(where + ": peer must be \"cert:NAME\", \"cert-sha256:HEX\" or \"address:IP\"");
    }
    const bool by_address = feed.authoritative && feed.peer.starts_with("address:");
    const auto has_list = [](const MllpConfig& mllp) { return !mllp.allow.empty(); };
    if (by_address && std::ranges::none_of(config.mllp, has_list)) {
      out.add(where + ": a peer is known by its address only on a listener that has an allow list");
    }
  }
}

void check_mail(const MailConfig& mail, Complaints& out) {
  if (mail.kind != "smtp") return;
  if (mail.host.empty()) out.add("mail: smtp needs host");
  if (mail.security == "none" && !is_loopback_address(mail.host) && mail.host != "localhost") {
    out.add("mail: security = \"none\" is for loopback only");
  }
  if (mail.auth != "none" && (mail.user.empty() || mail.secret_file.empty())) {
    out.add("mail: auth needs user and secret_file");
  }
}

}  // namespace

bool is_loopback_address(std::string_view address) { return is_loopback_host(address); }

Result<Config> parse_config(std::string_view text, std::string_view file_name) {
  ConfigFaults faults(file_name);
  const toml::parse_result parsed = toml::parse(text, file_name);
  if (!parsed) {
    faults.add(parsed.error().source(), "TOML", parsed.error().description());
    return fail(Errc::kRefused, faults.text());
  }
  Config config;
  ConfigSection root(parsed.table(), "", faults);
  read_all(root, config);
  root.finish();
  if (!faults.empty()) return fail(Errc::kRefused, faults.text());
  return config;
}

Status check_config(const Config& config) {
  Complaints out;
  std::set<std::string> names;
  std::set<std::pair<std::string, std::uint16_t>> doors;
  const auto door = [&](const std::string& where, const std::string& address, std::uint16_t port) {
    if (port != 0 && !doors.emplace(address, port).second) out.add(where + ": port is taken by another listener");
  };
  for (const MllpConfig& mllp : config.mllp) {
    if (!names.insert(mllp.name).second) out.add("mllp \"" + mllp.name + "\": the name is used twice");
    door("mllp \"" + mllp.name + "\"", mllp.address, mllp.port);
    check_mllp(mllp, out);
  }
  check_tls("http", config.http.tls, out);
  door("http", config.http.address, config.http.port);
  if (!is_loopback_address(config.http.address) && !config.http.tls.enabled()) {
    out.add("http: beyond loopback it needs TLS (tls.certificate_file, tls.key_file)");
  }
  check_feeds(config, out);
  check_mail(config.mail, out);
  if (config.journal.kind == "postgres" && config.journal.postgres.empty()) {
    out.add("journal: kind = \"postgres\" needs a connection string in journal.postgres");
  }
  if (config.master.kind == "pix" && (config.master.host.empty() || config.master.port == 0)) {
    out.add("master: pix needs host and port");
  }
  if (config.master.kind == "pixm" && config.master.url.empty()) out.add("master: pixm needs url");
  std::set<std::string> destinations;
  for (const DestinationConfig& destination : config.destinations) {
    if (!destinations.insert(destination.name).second) {
      out.add("destination \"" + destination.name + "\": the name is used twice");
    }
    check_destination(destination, out);
  }
  return out.status();
}

}  // namespace minato
