#include "store/journal/backup.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "crypto/sha256.h"
#include "format/json/json.h"

namespace minato {

namespace {

constexpr std::string_view kManifestName = "manifest.json";
constexpr std::string_view kFormatName = "minato-backup";

struct ManifestFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::string sha256;
};

struct Manifest {
  Seq first, last;
  std::vector<ManifestFile> files;
};

Status make_empty_directory(Files& files, const std::string& directory) {
  MN_CHECK(files.make_directories(directory));
  MN_TRY(names, files.list(directory));
  if (!names.empty()) return fail(Errc::kConflict, directory + ": is not empty");
  return {};
}

// Copies the first `bytes` of `from` and returns their digest. `to` may be null: then it only reads.
Result<std::string> copy(const File& from, std::uint64_t bytes, File* to) {
  crypto::Sha256 sha;
  std::string buffer(kMiB, '\0');
  for (std::uint64_t offset = 0; offset < bytes;) {
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), bytes - offset);
    MN_TRY(got, from.pread(std::span(buffer).first(count), offset));
    if (got != count) return fail(Errc::kCorrupt, "file ends early");
    const auto piece = std::string_view(buffer).substr(0, count);
    sha.update(piece);
    if (to != nullptr) MN_CHECK(to->pwrite({&piece, 1}, offset));
    offset += count;
  }
  return crypto::hex(sha.finish());
}

Result<std::string> copy_to(const File& from, std::uint64_t bytes, Files& to, const std::string& path) {
  MN_TRY(file, to.open(path, OpenMode::kCreateNew));
  MN_TRY(digest, copy(from, bytes, file.get()));
  MN_CHECK(file->sync_data());
  return digest;
}

std::string manifest_text(const Manifest& manifest, Time created) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().member("format", kFormatName).member("version", 1u).member("created", to_rfc3339(created));
  json.member("first", manifest.first.value).member("last", manifest.last.value).key("files").begin_array();
  for (const auto& file : manifest.files) {
    json.begin_object()
        .member("name", file.name)
        .member("bytes", file.bytes)
        .member("sha256", file.sha256)
        .end_object();
  }
  json.end_array().end_object();
  return text + "\n";
}

Result<Manifest> read_manifest(Files& files, const std::string& directory) {
  const std::string path = directory + "/" + std::string(kManifestName);
  MN_TRY(text, read_file(files, path, kJsonBytesMax));
  const auto document = json::parse(text);
  if (!document) return fail(Errc::kCorrupt, path + ": " + document.error().what);
  const auto root = document->root();
  if (root["format"].string_or("") != kFormatName) return fail(Errc::kCorrupt, path + ": not a backup's manifest");
  if (root["version"].unsigned_integer() != 1u)
    return fail(Errc::kRefused, path + ": version is newer than this program");
  Manifest manifest;
  const auto first = root["first"].unsigned_integer();
  const auto last = root["last"].unsigned_integer();
  if (!first || !last) return fail(Errc::kCorrupt, path + ": no first or last");
  manifest.first = Seq{*first};
  manifest.last = Seq{*last};
  for (const auto entry : root["files"].entries()) {
    ManifestFile file{.name = std::string(entry.value["name"].string_or("")),
                      .bytes = entry.value["bytes"].unsigned_integer().value_or(0),
                      .sha256 = std::string(entry.value["sha256"].string_or(""))};
    // Only names of segments: a manifest never makes a path.
    if (!parse_segment_name(file.name)) return fail(Errc::kCorrupt, path + ": a file that is no segment");
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

Result<BackupReport> check_files(Files& files, const std::string& directory, const Manifest& manifest) {
  BackupReport report{.first = manifest.first, .last = manifest.last};
  for (const auto& entry : manifest.files) {
    const std::string path = directory + "/" + entry.name;
    const auto file = files.open(path, OpenMode::kRead);
    if (!file) return fail(Errc::kCorrupt, file.error().what);
    MN_TRY(size, (*file)->size());
    if (size != entry.bytes) return fail(Errc::kCorrupt, path + ": another length than the manifest says");
    const auto digest = copy(**file, size, nullptr);
    if (!digest) return context(path, digest.error());
    if (*digest != entry.sha256) return fail(Errc::kCorrupt, path + ": SHA-256 differs from the manifest's");
    ++report.files;
    report.bytes += size;
  }
  return report;
}

}  // namespace

Result<BackupReport> write_backup(const BackupPlan& plan, Files& to, const std::string& directory) {
  MN_CHECK(make_empty_directory(to, directory));
  Manifest manifest{.first = plan.first, .last = plan.last, .files = {}};
  BackupReport report{.first = plan.first, .last = plan.last};
  for (const auto& source : plan.sources) {
    auto file = source.file;
    if (!file) {
      MN_TRY(opened, plan.from->open(plan.directory + "/" + source.name, OpenMode::kRead));
      file = std::move(opened);
    }
    auto digest = copy_to(*file, source.bytes, to, directory + "/" + source.name);
    if (!digest) return context("backup of " + source.name, digest.error());
    manifest.files.push_back({.name = source.name, .bytes = source.bytes, .sha256 = std::move(*digest)});
    ++report.files;
    report.bytes += source.bytes;
  }
  MN_CHECK(to.sync_directory(directory));
  const auto text = manifest_text(manifest, plan.created);
  MN_CHECK(write_file_atomically(to, directory + "/" + std::string(kManifestName), text));
  return report;
}

Result<BackupReport> verify_backup(Files& files, const std::string& directory) {
  MN_TRY(manifest, read_manifest(files, directory));
  return check_files(files, directory, manifest);
}

Result<BackupReport> restore_backup(Files& from, const std::string& directory, Files& to, const std::string& target) {
  MN_TRY(manifest, read_manifest(from, directory));
  MN_TRY(report, check_files(from, directory, manifest));
  MN_CHECK(make_empty_directory(to, target));
  for (const auto& entry : manifest.files) {
    MN_TRY(file, from.open(directory + "/" + entry.name, OpenMode::kRead));
    MN_TRY(digest, copy_to(*file, entry.bytes, to, target + "/" + entry.name));
    if (digest != entry.sha256) return fail(Errc::kCorrupt, entry.name + ": changed while it was restored");
  }
  if (manifest.first.value > 1) MN_CHECK(write_purged(to, target, Seq{manifest.first.value - 1}));
  MN_CHECK(check_format_file(to, target + "/format", "minato-journal", IfAbsent::kCreate));
  MN_CHECK(to.sync_directory(target));
  return report;
}

}  // namespace minato
