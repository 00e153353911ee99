#include "app/config.h"
#include "base/json_writer.h"

namespace minato {
namespace {

void write(JsonWriter& json, std::string_view key, const std::vector<std::string>& values) {
  json.key(key).begin_array();
  for (const std::string& value : values) json.value(value);
  json.end_array();
}

void write(JsonWriter& json, const TlsConfig& tls) {
  json.key("tls").begin_object();
  json.member("certificate_file", tls.certificate_file).member("key_file", tls.key_file);
  json.member("client_ca_file", tls.client_ca_file).member("crl_file", tls.crl_file);
  json.member("client_certificate", tls.client_certificate).member("min_version", tls.min_version).end_object();
}

void write(JsonWriter& json, const MllpConfig& mllp) {
  json.begin_object().member("name", mllp.name).member("address", mllp.address).member("port", mllp.port);
  write(json, mllp.tls);
  write(json, "allow", mllp.allow);
  write(json, "senders", mllp.senders);
  write(json, "accept_types", mllp.accept_types);
  write(json, "accept_versions", mllp.accept_versions);
  json.member("default_charset", mllp.default_charset);
  json.member("batch_answer", mllp.batch_answer).member("connections_max", mllp.connections_max);
  json.member("frame_bytes_max", mllp.frame_bytes_max);
  json.member("mid_frame_timeout_ms", static_cast<std::int64_t>(mllp.mid_frame_timeout.count()));
  json.member("missing_cr_wait_ms", static_cast<std::int64_t>(mllp.missing_cr_wait.count())).end_object();
}

void write(JsonWriter& json, const FeedConfig& feed) {
  json.begin_object().member("name", feed.name).member("sending_application", feed.sending_application);
  json.member("sending_facility", feed.sending_facility).member("peer", feed.peer).member("domain", feed.domain);
  json.member("authoritative", feed.authoritative);
  json.member("silent_after_s", static_cast<std::int64_t>(feed.silent_after.count())).end_object();
}

void write(JsonWriter& json, const DestinationConfig& destination) {
  json.begin_object().member("name", destination.name).member("kind", destination.kind);
  json.member("host", destination.host).member("port", destination.port);
  write(json, destination.tls);
  json.member("ca_file", destination.ca_file).member("url", destination.url);
  json.member("secret_file", destination.secret_file).member("body", destination.body);
  json.member("directory", destination.directory).member("file_name", destination.file_name);
  json.member("on_ae", destination.on_ae).member("on_ar", destination.on_ar);
  json.member("ack_timeout_ms", static_cast<std::int64_t>(destination.ack_timeout.count())).end_object();
}

void write_storage(JsonWriter& json, const Config& config) {
  const JournalConfig& journal = config.journal;
  json.key("journal").begin_object().member("kind", journal.kind).member("postgres", journal.postgres);
  json.member("segment_bytes", journal.segment_bytes).member("free_bytes_min", journal.free_bytes_min);
  json.member("realtime", journal.realtime).end_object();
  const QueueConfig& queue = config.queue;
  json.key("queue").begin_object().member("workers", queue.workers).member("receives_max", queue.receives_max);
  json.member("backoff_first_ms", static_cast<std::int64_t>(queue.backoff_first.count()));
  json.member("backoff_max_ms", static_cast<std::int64_t>(queue.backoff_max.count())).end_object();
}

void write_notify(JsonWriter& json, const Config& config) {
  const NotifyConfig& notify = config.notify;
  json.key("notify").begin_object().member("enabled", notify.enabled).member("base_url", notify.base_url);
  json.member("institution_en", notify.institution_en).member("institution_ja", notify.institution_ja);
  json.member("templates_dir", notify.templates_dir);
  write(json, "events", notify.events);
  json.member("on_uncertain", notify.on_uncertain);
  json.member("urgent_overrides_quiet_hours", notify.urgent_overrides_quiet_hours).end_object();
  const MailConfig& mail = config.mail;
  json.key("mail").begin_object().member("kind", mail.kind).member("host", mail.host).member("port", mail.port);
  json.member("security", mail.security).member("ca_file", mail.ca_file).member("auth", mail.auth);
  json.member("user", mail.user).member("secret_file", mail.secret_file).member("from", mail.from).end_object();
  const MasterConfig& master = config.master;
  json.key("master").begin_object().member("kind", master.kind).member("host", master.host).member("port", master.port);
  json.member("url", master.url).member("ca_file", master.ca_file).member("token_file", master.token_file);
  json.member("timeout_ms", static_cast<std::int64_t>(master.timeout.count()));
  json.member("cache_s", static_cast<std::int64_t>(master.cache.count())).end_object();
}

template <typename T>
void write_all(JsonWriter& json, std::string_view key, const std::vector<T>& values) {
  json.key(key).begin_array();
  for (const T& value : values) write(json, value);
  json.end_array();
}

}  // namespace

std::string to_json(const Config& config) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("data_dir", config.data_dir).member("application", config.application);
  json.member("facility", config.facility).member("utc_offset_minutes", config.utc_offset_minutes);
  json.member("log_level", config.log_level).member("buffer_bytes_max", config.buffer_bytes_max);
  json.member("retention_days", config.retention_days);
  json.member("duplicate_window_s", static_cast<std::int64_t>(config.duplicate_window.count()));
  write_all(json, "mllp", config.mllp);
  write_all(json, "feed", config.feeds);
  json.key("http").begin_object().member("address", config.http.address).member("port", config.http.port);
  json.member("connections_max", config.http.connections_max);
  write(json, config.http.tls);
  json.end_object();
  write_storage(json, config);
  write_notify(json, config);
  json.member("routes_file", config.routes_file);
  write_all(json, "destination", config.destinations);
  json.end_object();
  return out;
}

}  // namespace minato
