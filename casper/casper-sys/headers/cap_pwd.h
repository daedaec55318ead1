/* cap_pwd(3) */
#include "types.h"

struct passwd *cap_getpwent(cap_channel_t *chan);
int cap_getpwnam_r(cap_channel_t *chan, const char *name, struct passwd *pwd, char *buffer,
    size_t bufsize, struct passwd **result);
int cap_getpwuid_r(cap_channel_t *chan, uid_t uid, struct passwd *pwd, char *buffer,
    size_t bufsize, struct passwd **result);
int cap_setpassent(cap_channel_t *chan, int stayopen);

int cap_pwd_limit_cmds(cap_channel_t *chan, const char *const *cmds, size_t ncmds);
int cap_pwd_limit_fields(cap_channel_t *chan, const char *const *fields, size_t nfields);
int cap_pwd_limit_users(cap_channel_t *chan, const char *const *names, size_t nnames, uid_t *uids,
    size_t nuids);
