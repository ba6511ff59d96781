#include "rdf/root_file.hxx"

#include "rdf/dataset.hxx"
#include "rdf/stored_values.hxx"

#include <TKey.h>
#include <TList.h>
#include <TNamed.h>

#include <stdexcept>

namespace monojet {

RootFile::RootFile(std::string name) : path(std::move(name)), file(TFile::Open(path.c_str())) {
  if (!file || file->IsZombie())
    throw std::runtime_error("Failed to open file " + path);
}

const TList &RootFile::classes() const {
  if (!classes_) {
    classes_.reset(file->GetStreamerInfoList());
    if (!classes_)
      throw std::runtime_error("no description of classes");
    classes_->SetOwner();
  }
  return *classes_;
}

namespace {

/// The names of the objects in a folder, or for "" in the file, each with its class.
std::string keys_as_json(const RootFile &file, const std::string &folder) {
  auto *directory = folder.empty() ? file.file.get() : file.file->GetDirectory(folder.c_str());
  if (!directory)
    throw std::runtime_error("no folder " + folder);
  std::string text;
  for (TObject *one : *directory->GetListOfKeys()) {
    const auto &key = static_cast<const TKey &>(*one);
    text += (text.empty() ? "[" : ", [") + json_of(key.GetName()) + ", " +
            json_of(key.GetClassName()) + "]";
  }
  return "[" + text + "]";
}

std::string columns_as_json(const RootFile &file, const std::string &tree,
                            const std::vector<std::string> &typed) {
  std::string text;
  for (const auto &[name, type] : columns_of(file, tree, typed))
    text += (text.empty() ? "[" : ", [") + json_of(name) + ", " + json_of(type) + "]";
  return "[" + text + "]";
}

std::string ends_as_json(const std::vector<unsigned long long> &ends) {
  std::string text;
  for (const auto end : ends)
    text += (text.empty() ? "" : ", ") + std::to_string(end);
  return "[" + text + "]";
}

/// The title of an object.
///
/// Raises: std::runtime_error, there is none of this name.
std::string title_of(const RootFile &file, const std::string &name) {
  const auto *object = file.file->Get<TObject>(name.c_str());
  if (!object)
    throw std::runtime_error("no object " + name);
  const std::string title = object->GetTitle();
  if (object->IsA() == TNamed::Class()) // others may belong to the file
    delete object;
  return title;
}

void write_texts(const std::string &path, const std::vector<std::string> &names,
                 const std::vector<std::string> &texts) {
  const std::unique_ptr<TFile> file(TFile::Open(path.c_str(), "UPDATE"));
  if (!file || file->IsZombie())
    throw std::runtime_error("Failed to open file " + path);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const TNamed text(names[i].c_str(), texts.at(i).c_str());
    file->WriteObject(&text, names[i].c_str());
  }
}

} // namespace
} // namespace monojet

extern "C" {

monojet::Object *monojet_open_file(const char *path) {
  return monojet::guarded([&] { return std::make_unique<monojet::RootFile>(path); });
}

/// Whether the file was not closed when it was written, as the text.
int monojet_is_recovered(const monojet::RootFile *file) {
  return monojet::guarded(
      [&] { monojet::set_text(file->file->TestBit(TFile::kRecovered) ? "1" : "0"); });
}

/// The number of bytes, as the text.
int monojet_size_of_file(const monojet::RootFile *file) {
  return monojet::guarded([&] { monojet::set_text(std::to_string(file->file->GetSize())); });
}

int monojet_read_bytes(const monojet::RootFile *file, long long position, char *bytes,
                       std::size_t n) {
  return monojet::guarded([&] {
    if (file->file->ReadBuffer(bytes, position, static_cast<int>(n)))
      throw std::runtime_error("cannot read " + file->path);
  });
}

int monojet_keys(const monojet::RootFile *file, const char *folder) {
  return monojet::guarded([&] { monojet::set_text(monojet::keys_as_json(*file, folder)); });
}

int monojet_columns(const monojet::RootFile *file, const char *tree, const char *const *typed,
                    std::size_t n) {
  return monojet::guarded([&] {
    monojet::set_text(monojet::columns_as_json(*file, tree, monojet::names_of(typed, n)));
  });
}

int monojet_cluster_ends(const monojet::RootFile *file, const char *tree) {
  return monojet::guarded(
      [&] { monojet::set_text(monojet::ends_as_json(monojet::cluster_ends(*file, tree))); });
}

/// The numbers of entries of a branch and its tree, and its name; with no name if none differs.
int monojet_misfilled(const monojet::RootFile *file, const char *tree, const char *const *columns,
                      std::size_t n) {
  return monojet::guarded([&] {
    const auto one = monojet::misfilled(*file, tree, monojet::names_of(columns, n));
    monojet::set_text("[" + monojet::json_of(one.branch) + ", " + std::to_string(one.entries) +
                      ", " + std::to_string(one.of_tree) + "]");
  });
}

int monojet_first_number(const monojet::RootFile *file, const char *tree, const char *column) {
  return monojet::guarded(
      [&] { monojet::set_text(std::to_string(monojet::first_number(*file, tree, column))); });
}

int monojet_first_value(const monojet::RootFile *file, const char *tree, const char *column) {
  return monojet::guarded(
      [&] { monojet::set_text(monojet::json_of(monojet::first_value(*file, tree, column))); });
}

int monojet_stored_values(const monojet::RootFile *file, const char *tree, const char *const *names,
                          std::size_t n) {
  return monojet::guarded(
      [&] { monojet::set_text(monojet::stored_values(*file, tree, monojet::names_of(names, n))); });
}

int monojet_title(const monojet::RootFile *file, const char *name) {
  return monojet::guarded([&] { monojet::set_text(monojet::title_of(*file, name)); });
}

int monojet_write_texts(const char *path, const char *const *names, std::size_t n,
                        const char *const *texts, std::size_t m) {
  return monojet::guarded([&] {
    monojet::write_texts(path, monojet::names_of(names, n), monojet::names_of(texts, m));
  });
}

} // extern "C"
