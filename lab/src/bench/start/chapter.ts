import type { Chapter } from '../chapter.ts';

export const startChapter: Chapter = {
  name: 'start', title: 'Starting', about: '', contenders: [],
  run: () => Promise.resolve({ name: 'start', title: 'Starting', about: '', sections: [], notes: [], failures: [] }),
};
