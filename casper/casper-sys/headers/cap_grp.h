/* cap_grp(3) */
#include "types.h"

struct group *cap_getgrent(cap_channel_t *chan);
int cap_getgrnam_r(cap_channel_t *chan, const char *name, struct group *grp, char *buffer,
    size_t bufsize, struct group **result);
int cap_getgrgid_r(cap_channel_t *chan, gid_t gid, struct group *grp, char *buffer, size_t bufsize,
    struct group **result);
int cap_setgroupent(cap_channel_t *chan, int stayopen);

int cap_grp_limit_cmds(cap_channel_t *chan, const char *const *cmds, size_t ncmds);
int cap_grp_limit_fields(cap_channel_t *chan, const char *const *fields, size_t nfields);
int cap_grp_limit_groups(cap_channel_t *chan, const char *const *names, size_t nnames,
    const gid_t *gids, size_t ngids);
