/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the programs of exec_recorder hand to its user side. */
#ifndef AKM_EXEC_RECORDER_H
#define AKM_EXEC_RECORDER_H

/* Pieces overlap by more than the longest text that is searched for, so that none is cut in two. */
#define AKM_EXEC_PIECE 4096
#define AKM_EXEC_STEP 3968
#define AKM_EXEC_PIECES 64

struct akm_exec_piece {
  unsigned int tgid;
  unsigned int environment; /* 0: arguments */
  unsigned int first;       /* of this process image and kind */
  unsigned int size;
  unsigned char bytes[AKM_EXEC_PIECE];
};

#endif
